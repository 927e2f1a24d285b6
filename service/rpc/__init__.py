"""The gRPC API: grpc.aio."""
