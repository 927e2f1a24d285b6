"""The REST door: FastAPI under uvicorn."""
