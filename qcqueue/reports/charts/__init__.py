"""The pictures of a report, as SVG: values in, markup out. Pure."""
