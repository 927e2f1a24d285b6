"""The command line: `app` names the verbs."""
