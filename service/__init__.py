"""The service: APIs (REST, gRPC, CLI), one application behind them, and the workers that hold the models."""
