"""Proof that conversion lost nothing that a door would notice.

``command.verify`` embeds the evaluation sets with every artefact, fed as its manifest entry says,
and compares with the float network; ``gates`` are the limits; ``report.write_report`` draws it.
"""
