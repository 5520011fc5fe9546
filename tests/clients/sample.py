"""What is deposited: the record that all scripts may read, and a description that they deposit with, in Zenodo's form
and in InvenioRDM's."""

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

RDM_METADATA = {
    "title": "Seabed temperatures, south transect",
    "resource_type": {"id": "dataset"},
    "publication_date": "2026-03-09",
    "publisher": "Coastal Observatory",
    "description": "<p>Twelve moorings, hourly means.</p>",
    "creators": [
        {"person_or_org": {"type": "personal", "family_name": "Okafor", "given_name": "Ngozi"}},
    ],
}
