"""What must hold before, and what is asked after, a fit is believed."""
