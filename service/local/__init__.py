"""Everything on one machine: `pushforward up`."""
