"""Side-by-side measurements, as ratios: `./run bench`. Nothing here is part of the service."""
