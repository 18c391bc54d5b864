"""The driver: claims due jobs and runs those that need the outside world."""
