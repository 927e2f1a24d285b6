"""`python -m service` is `pushforward`."""

from service.cli.app import main

main()
