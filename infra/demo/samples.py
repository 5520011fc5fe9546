"""What the good records of the sample collection hold: small, plausible data in the formats of each field.

Every function answers the files of one record as path → bytes. Random numbers come from a generator that is
seeded with the record's own key, so that one record can change without the others.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any, TypeAlias
from xml.sax.saxutils import quoteattr

from infra.demo.formats import csv_table, docx, fits, netcdf, parquet_table, pdf, png, tiff, zip_archive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

Files: TypeAlias = dict[str, bytes]


def checksum_file(algorithm: str, files: Files) -> bytes:
    """What `md5sum`, `sha256sum` … print of these files (GNU coreutils; no name here needs an escape)."""
    digests = ((hashlib.new(algorithm, content).hexdigest(), name) for name, content in sorted(files.items()))
    return _text(*(f"{digest}  {name}" for digest, name in digests))


def _json(document: object) -> bytes:
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()


def _text(*lines: str) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def _points(places: Mapping[str, tuple[float, float]]) -> bytes:
    """GeoJSON (RFC 7946) points, each (longitude, latitude)."""
    features: list[dict[str, Any]] = [
        {
            "type": "Feature",
            "properties": {"name": name},
            "geometry": {"type": "Point", "coordinates": [*place]},
        }
        for name, place in places.items()
    ]
    return _json({"type": "FeatureCollection", "features": features})


def _scatter(random: Random, count: int, name: str, longitude: float, latitude: float) -> bytes:
    return _points(
        {
            f"{name} {number}": (
                round(random.gauss(longitude, 0.05), 5),
                round(random.gauss(latitude, 0.03), 5),
            )
            for number in range(1, count + 1)
        }
    )


def _plot(values: Sequence[float], width: int = 240, height: int = 120) -> bytes:
    """The values as dark dots on white, scaled to fill the picture."""
    low, high = min(values), max(values)
    grey = bytearray(b"\xff" * (width * height))
    for column in range(width):
        value = values[column * len(values) // width]
        row = round((high - value) / (high - low or 1) * (height - 1))
        grey[row * width + column] = 0x20
    return png(width, height, bytes(grey))


def _picture(random: Random, size: int) -> bytes:
    """Grey samples of a square picture: a bright disc on a noisy ground, as scans and photographs look."""
    centre, noise = size / 2, random.randbytes(size * size)
    return bytes(
        (60 if math.hypot(index % size - centre, index // size - centre) > size / 3 else 180)
        + (noise[index] & 31)
        for index in range(size * size)
    )


def glacier(random: Random) -> Files:
    stakes = [f"S{number:02}" for number in range(1, 13)]
    files = {
        f"stakes/{year}.csv": csv_table(
            ["stake", "elevation_m", "balance_m_we"],
            [
                (stake, 2300 + 90 * rank, random.gauss(-6.5 + 0.6 * rank - 0.04 * (year - 1998), 0.4))
                for rank, stake in enumerate(stakes)
            ],
        )
        for year in range(1998, 2022)
    }
    files["figures/mean-balance.png"] = _plot([random.gauss(-0.04 * year, 0.3) for year in range(24)])
    files["outline-2016.geojson"] = _scatter(random, 30, "vertex", 8.4, 46.62)
    files["README.txt"] = _text("Point mass balance, Rhône Glacier.", "One table a year in stakes/.")
    return files


def tide_gauges(random: Random) -> Files:
    files = {}
    for year in (2018, 2019, 2020):
        for month in range(1, 13):
            surge = random.gauss(0, 0.2)
            hours = [float(hour) for hour in range(24 * 28)]
            level = [
                3.1 + 1.6 * math.sin(hour / 12.42 * math.tau) + surge + random.gauss(0, 0.03)
                for hour in hours
            ]
            files[f"{year}/level-{year}-{month:02}.nc"] = netcdf(
                {"Conventions": "CF-1.8", "title": "Hourly sea level, southern North Sea"},
                {
                    "time": (f"hours since {year}-{month:02}-01 00:00:00", hours),
                    "sea_level": ("m", [round(value, 3) for value in level]),
                },
            )
    stations = {"Lowestoft": (1.75, 52.47), "Vlissingen": (3.6, 51.44), "Den Helder": (4.75, 52.96)}
    files["stations.csv"] = csv_table(
        ["station", "longitude", "latitude"], [(name, *place) for name, place in stations.items()]
    )
    files["stations.geojson"] = _points(stations)
    return files


def photometry(random: Random) -> Files:
    size = 48
    files = {}
    for number in range(1, 25):
        counts = [max(0, round(random.gauss(220, 14))) for _ in range(size * size)]
        counts[size * 20 + 23] += 9000 - 2500 * (number % 6 == 0)
        files[f"frames/v505lac-{number:03}.fits"] = fits(
            size,
            size,
            counts,
            {"OBJECT": "V505 Lac", "FILTER": "V", "JD": 2459120.25 + number / 96, "EXPTIME": 60.0},
        )
    days = [2459120.25 + number / 960 for number in range(960)]
    magnitudes = [
        round(11.2 + 0.4 * (abs((day * 1.3) % 1 - 0.5) < 0.06) + random.gauss(0, 0.01), 4) for day in days
    ]
    files["light-curve.parquet"] = parquet_table({"hjd": days, "v_mag": magnitudes})
    files["figures/light-curve.png"] = _plot([-magnitude for magnitude in magnitudes])
    return files


def meadow_plots(random: Random) -> Files:
    species = [
        "Meum athamanticum",
        "Geranium sylvaticum",
        "Nardus stricta",
        "Arnica montana",
        "Trollius europaeus",
    ]
    files = {}
    for plot in range(1, 13):
        for year in (2019, 2021):
            cover = [(name, random.choice(["r", "+", "1", "2a", "2b", "3"])) for name in species]
            files[f"{year}/fläche-{plot:02}.csv"] = csv_table(["Art", "Deckung"], cover)
    for plot in range(1, 13):
        files[f"fotos/fläche-{plot:02}.png"] = png(96, 96, _picture(random, 96))
    files["flächen.geojson"] = _scatter(random, 12, "Fläche", 13.05, 50.52)
    return files


def ctd_casts(random: Random, count: int = 20) -> Files:
    depths = range(5, 505, 5)
    files = {
        f"casts/{cast:03}.csv": csv_table(
            ["pressure_dbar", "temperature_degC", "salinity_psu", "oxygen_umol_kg"],
            [
                (
                    depth,
                    -1.7 + 2.6 / (1 + math.exp((180 - depth) / 25)) + random.gauss(0, 0.01),
                    34.9 - 2.6 * math.exp(-depth / 60) + random.gauss(0, 0.005),
                    random.gauss(330 - depth / 10, 1.5),
                )
                for depth in depths
            ],
        )
        for cast in range(1, count + 1)
    }
    files["casts.json"] = _json(
        [{"cast": cast, "latitude": round(random.uniform(78.8, 87.5), 4)} for cast in range(1, count + 1)]
    )
    return files


def air_quality(random: Random) -> Files:
    files = {}
    for month in range(1, 13):
        traffic = 0.45 if month in (4, 5) else 1.0
        hours = list(range(24 * 28))
        no2 = [
            round(traffic * (28 + 14 * math.sin(hour / 12 * math.pi)) + random.gauss(0, 3), 1)
            for hour in hours
        ]
        pm25 = [round(abs(random.gauss(12, 4)), 1) for _ in hours]
        files[f"2020/{month:02}.parquet"] = parquet_table(
            {"heure": hours, "no2_ug_m3": no2, "pm25_ug_m3": pm25}
        )
    files["capteurs.geojson"] = _scatter(random, 15, "capteur", 4.84, 45.76)
    files["colonnes.json"] = _json(
        {"no2_ug_m3": "dioxyde d'azote, µg/m³", "pm25_ug_m3": "particules fines, µg/m³"}
    )
    return files


def mineral_spectra(random: Random) -> Files:
    minerals = ["calcite", "dolomite", "quartz", "albite", "olivine", "augite", "biotite", "kaolinite"]
    names = [f"{mineral}-{sample}" for mineral in minerals for sample in range(1, 6)]
    files = {}
    for name in names:
        bands = [(random.uniform(900, 2400), random.uniform(20, 120)) for _ in range(3)]
        files[f"spectra/{name}.txt"] = _text(
            *(
                f"{nm}\t{0.7 - sum(0.2 * math.exp(-(((nm - at) / width) ** 2)) for at, width in bands):.4f}"
                for nm in range(350, 2501, 10)
            )
        )
    samples = "".join(f"  <sample id={quoteattr(name)} grain='125-250 µm'/>\n" for name in names)
    files["catalogue.xml"] = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<samples>\n{samples}</samples>\n'.encode()
    )
    return files


def facsimile(random: Random) -> Files:
    folios = range(1, 13)
    files = {f"folios/{folio:02}r.tif": tiff(128, 128, _picture(random, 128)) for folio in folios}
    files["transcripción.xml"] = _text(
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<TEI xmlns="http://www.tei-c.org/ns/1.0">',
        "<teiHeader><fileDesc><titleStmt><title>Relación de la flota</title></titleStmt>",
        "<publicationStmt><p>Sevilla</p></publicationStmt>",
        "<sourceDesc><p>1588</p></sourceDesc></fileDesc></teiHeader>",
        "<text><body>",
        *(f'<pb n="{folio}r"/><p>Relación de los navíos, folio {folio}.</p>' for folio in folios),
        "</body></text></TEI>",
    )
    return files


def thesis(_: Random) -> Files:
    title = "Turbulência em leitos de gravilha"
    return {
        "tese.pdf": pdf(title, ["Instituto Superior Técnico, 2018", "Capítulo 1. Introdução"]),
        "fonte/tese.docx": docx(
            [title, "Capítulo 1. Introdução", "A estrutura da turbulência perto do leito."]
        ),
    }


def field_course(_: Random) -> Files:
    topics = ["zandbanken", "kwelder", "wadvogels", "schelpdieren", "duinvegetatie", "getijden"]
    files = {}
    for number, topic in enumerate(topics, start=1):
        lines = [f"Protocol {number}: {topic}", "Benodigd: meetlint, GPS, formulier.", "Werk in paren."]
        files[f"protocols/{number}-{topic}.docx"] = docx(lines)
        files[f"protocols/{number}-{topic}.pdf"] = pdf(lines[0], lines[1:])
    forms = {f"formulier-{topic}.csv": csv_table(["datum", "plek", "aantal"], []) for topic in topics}
    return {**files, "formulieren.zip": zip_archive(forms)}


def river_model(random: Random) -> Files:
    source = {
        "braidflow/__init__.py": _text('"""A cellular model of braided rivers."""'),
        "braidflow/route.py": _text(
            "def route(water, slope):",
            '    """Shares of water for the cells downstream, by the square root of slope."""',
            "    weights = [max(s, 0) ** 0.5 for s in slope]",
            "    return [water * w / sum(weights) for w in weights]",
        ),
        "CITATION.cff": _text("cff-version: 1.2.0", "title: braidflow", "message: Please cite it."),
        "codemeta.json": _json(
            {"@context": "https://w3id.org/codemeta/3.0", "@type": "SoftwareSourceCode", "name": "braidflow"}
        ),
        "tests/grid.csv": csv_table(
            ["x", "y", "bed"], [(x, 0, random.gauss(-x / 100, 0.02)) for x in range(60)]
        ),
    }
    return {
        **source,
        "braidflow-0.4.2.zip": zip_archive({f"braidflow-0.4.2/{n}": d for n, d in source.items()}),
    }


def seismic_stations(random: Random) -> Files:
    codes = [f"INA{number:02}" for number in range(1, 13)]
    stations = "".join(
        f"<Station code='{code}'><Elevation>{random.randint(120, 190)}</Elevation></Station>"
        for code in codes
    )
    return {
        "stations.json": _json({"sampling_rate_hz": 500, "bytes_a_sample": 3, "channels": codes}),
        "stations.xml": (
            "<?xml version='1.0' encoding='UTF-8'?>\n"
            "<FDSNStationXML xmlns='http://www.fdsn.org/xml/station/1' schemaVersion='1.1'>"
            f"<Network code='7E'>{stations}</Network></FDSNStationXML>\n"
        ).encode(),
    }


def gait(random: Random) -> Files:
    participants = [f"P{number:02}" for number in range(1, 31)]
    files = {
        f"walks/{participant}.csv": csv_table(
            ["t_s", "ax_g", "ay_g", "az_g"],
            [
                (
                    step / 100,
                    random.gauss(0, 0.1),
                    random.gauss(0, 0.1),
                    1 + 0.3 * math.sin(step / 50 * math.tau),
                )
                for step in range(300)
            ],
        )
        for participant in participants
    }
    groups = [
        (participant, random.choice(["50-59", "60-69"]), random.randint(8, 30))
        for participant in participants
    ]
    return {**files, "participants.csv": csv_table(["participant", "age_group", "updrs_iii"], groups)}


def transits(random: Random) -> Files:
    names = [f"KT-{number:03}" for number in range(1, 13)]
    columns: dict[str, Sequence[object]] = {
        "candidate": names,
        "period_d": [round(random.uniform(0.8, 40), 5) for _ in names],
        "depth_ppm": [random.randint(150, 9000) for _ in names],
    }
    files = {
        f"figures/{name}.png": _plot([random.gauss(-1.0 * (110 < x < 130), 0.08) for x in range(240)])
        for name in names
    }
    files["candidates.parquet"] = parquet_table(columns)
    files["candidates.csv"] = csv_table(list(columns), zip(*columns.values(), strict=True))
    return files


def herbarium(random: Random) -> Files:
    files = {
        f"sheets/L.{3_700_000 + sheet}.png": png(128, 128, _picture(random, 128)) for sheet in range(1, 11)
    }
    labels = [(3_700_000 + sheet, "Hieracium alpinum", random.randint(1880, 1910)) for sheet in range(1, 11)]
    return {**files, "labels.csv": csv_table(["sheet", "name", "year"], labels)}


RECORDS: Mapping[str, Callable[[Random], Files]] = {
    "campaigns/ps122-ctd": lambda random: ctd_casts(random, 25),
    "campaigns/ps131-ctd": ctd_casts,
    "exoplanet-transit-candidates": transits,
    "field-course-protocols": field_course,
    "gait-study-parkinson": gait,
    "glacier-mass-balance-rhone": glacier,
    "manuscript-facsimile-sevilla": facsimile,
    "museum-herbarium-scans": herbarium,
    "north-sea-tide-gauges": tide_gauges,
    "river-model-code": river_model,
    "seismic-array-continuous": seismic_stations,
    "spectral-library-minerals": mineral_spectra,
    "thesis-river-turbulence": thesis,
    "urban-air-quality-lyon": air_quality,
    "variable-star-photometry": photometry,
    "vegetation/meadow-plots": meadow_plots,
}
"""Every good record, by its key; its description is `descriptions/<key>.json`."""
