# By name only: recipes depend on it, and take nothing from it.

inherit stub
