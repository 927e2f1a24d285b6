"""Networks of adversarial families: critics and generators."""
