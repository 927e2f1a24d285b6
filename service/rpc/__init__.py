"""The gRPC door: grpc.aio."""
