"""HTML pages that open from disk: their parts (`parts/`, JavaScript modules), and what makes one file of them."""
