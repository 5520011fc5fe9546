"""The files of the record that no test changes."""

CSV = b"time,level\n" + b"2025-01-01T00:00,1.25\n" * 40
NAMES = ("gauge.csv", "sub folder/räksmörgås 1.txt", "page.html", "plot.png", "paper.pdf", "日本語.bin")
