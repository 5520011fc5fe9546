"""What is deposited: the record that all scripts may read, and a description that they deposit with."""

TITLE = "Tide gauge readings, harbour pier"
FILES = {
    "gauge.csv": b"time,height\n00:00,1.21\n00:10,1.24\n",
    "station notes.txt": b"Datum moved by 2 mm.\n",
}

METADATA = {
    "title": "Seabed temperatures, north transect",
    "upload_type": "dataset",
    "description": "<p>Twelve moorings, hourly means.</p>",
    "creators": [{"name": "Okafor, Ngozi", "affiliation": "Coastal Observatory"}],
    "keywords": ["temperature", "moorings"],
    "version": "1.0",
}
