"""Jobs, the queue and the loop that answers them; one engine per device."""
