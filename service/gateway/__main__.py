"""`python -m pushforward.service.gateway`: REST and gRPC, in one process or in several that share the ports."""

from __future__ import annotations

import gc
import sys

from pushforward.service.settings import Settings


def main() -> int:
    """Run the gateway; the exit code."""
    if Settings().gateways > 1:
        from pushforward.service.gateway import cluster as processes  # which does not import the APIs

        return processes.main()
    gc.disable()  # until all is imported, and frozen
    from pushforward.service.gateway import process

    return process.main(shared=False)


if __name__ == "__main__":
    sys.exit(main())
