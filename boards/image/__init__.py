"""A kit inside a disk image: partition table, ext4 and checks, without root or loop devices."""
