"""Pages and an API that show what is counted, and never write."""
