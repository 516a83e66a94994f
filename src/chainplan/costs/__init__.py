"""What is minimised: objectives, and seconds measured on this machine."""
