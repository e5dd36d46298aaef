"""The tables of a report, as data, and the formats in which they leave it. Pure."""
