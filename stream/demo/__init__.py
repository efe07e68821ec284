"""`funnel demo`: real servers, two workers, a simulated shop, the funnel live in the terminal, a check at the end."""
