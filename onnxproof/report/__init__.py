"""Makes one page of the results of one or more runs."""
