"""One table from the lines of all readers: patches a second, and how many times OpenSlide's rate that is."""

import json
import sys

rows, patterns = {}, []
for line in sys.stdin:
    row = json.loads(line)
    rows.setdefault(row["reader"], {})[row["pattern"]] = row["patches_per_second"]
    if row["pattern"] not in patterns:
        patterns.append(row["pattern"])

print(f"{'patches/s, 1 thread':24}" + "".join(f"{pattern:>18}" for pattern in patterns))
for reader, rates in rows.items():
    cells = ""
    for pattern in patterns:
        rate, base = rates.get(pattern), rows.get("OpenSlide", {}).get(pattern)
        cells += f"{'–' if rate is None else f'{rate:.0f} ({rate / base:.2f}×)':>18}"
    print(f"{reader:24}{cells}")
