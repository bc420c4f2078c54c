"""The main job on real data: a year of flights from New York, told as a story through the public commands and API."""
