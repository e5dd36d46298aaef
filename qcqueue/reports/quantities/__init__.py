"""The numbers of a report, computed from what was stored. Pure."""
