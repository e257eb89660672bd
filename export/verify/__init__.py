"""Proof that conversion lost nothing that a door would notice.

``verification.verify`` embeds the evaluation sets with every artefact, fed as its manifest entry
says, and compares with the float network; ``gates`` judges; ``report.write_report`` draws it.
"""
