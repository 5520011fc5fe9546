"""Routes where people deal with each other: communities, requests, sharing."""
