"""Ways to do a study that are not ours, beside ours and beside what nobody can do better: for research only."""
