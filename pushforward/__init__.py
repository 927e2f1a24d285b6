"""Train generative models on your own data and serve them.

`pushforward.models` is the library, `pushforward.service` the service. Their sources are the folders `models/` and
`service/` of the repository; the links beside this file give them one name to import (decision 35).
"""
