"""An image onto a card, an eMMC or SPI flash: checked, written by known tools, read back."""
