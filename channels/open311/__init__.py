"""Open311 GeoReport v2 over the same cases: what programs ask, post and read (docs/open311.md)."""
