"""Fills the emulator as people would fill AWS: an own account, customers, images, instances, and a day of work."""
