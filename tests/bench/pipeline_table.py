"""The tables of tests/bench/pipeline from its rows: what was measured, beside the bars.

A rate is patches a second from the first that arrive, which do not count, to the last; `overall` is from the start of the
process to the last patch, so that it holds all that starting takes.
"""

import json
import sys

BATCH = 32
RAY = {"handle": ("Ray Data, a handle an actor", 5), "tuned": ("… and 32 KiB read ahead", None), "open": ("Ray Data, a slide opened a patch", 30)}

rows = {row["how"]: row for row in map(json.loads, sys.stdin)}


def verdict(holds):
    return "✓" if holds else "✗"


def times(factor):
    return f"{factor:.1f}×" if factor < 100 else f"{factor:.0f}×"


def ours():
    row = rows["random"]
    first, whole, patches = row["first"] - row["began"], row["ended"] - row["began"], row["summary"]["patches"]
    return {"first": first, "patches": patches, "rate": (patches - BATCH) / (whole - first), "overall": patches / whole}


def theirs(row, seconds):
    """Patches arrive in blocks. Without two of them there is no rate, only a bound of it."""
    arrived = row["arrived"]
    (first, few), (last, patches) = (arrived[0], arrived[-1]) if arrived else ((0, 0), (seconds, 0))
    batch = next((at for at, so_far in arrived if so_far >= BATCH), None)
    if patches == few:
        return {"first": batch, "patches": patches, "rate": BATCH / seconds, "overall": BATCH / seconds, "bound": True}
    return {"first": batch, "patches": patches, "rate": (patches - few) / (last - first), "overall": patches / last}


def pipelines(seconds):
    mine = ours()
    print(f"\n{'random 256-px patches from Azurite, 2 cores':46}{'first batch':>12}{'patches':>9}{'patches/s':>11}{'ratio':>9}{'overall':>9}{'ratio':>9}  bar")
    line = "{:46}{:>12}{:>9}{:>11}{:>9}{:>9}{:>9}  {}"
    quick = f"first batch < 2 s {verdict(mine['first'] < 2)}"
    print(line.format("Microtome", f"{mine['first']:.2f} s", mine["patches"], f"{mine['rate']:.0f}", "", f"{mine['overall']:.0f}", "", quick))
    for how, (name, bar) in RAY.items():
        if how not in rows:
            continue
        row = theirs(rows[how], seconds)
        ratio, overall = mine["rate"] / row["rate"], mine["overall"] / row["overall"]
        less, more = ("<", ">") if row.get("bound") else ("", "")
        first = "none" if row["first"] is None else f"{row['first']:.1f} s"
        bar = "" if bar is None else f"≥ {bar}× {verdict(ratio >= bar)}"
        print(line.format(name, first, row["patches"], less + f"{row['rate']:.2f}", more + times(ratio), less + f"{row['overall']:.2f}", more + times(overall), bar))


def shares(parts):
    return ", ".join(f"{name} {part:.0f} %" for name, part in sorted(parts.items(), key=lambda item: -item[1]) if part)


def pace():
    near, far = rows["pace-near"], rows["pace-far"]
    print(f"\n{'a store 30 ms away':34}{'demand':>8}{'patches/s':>11}{'waiting':>9}{'in flight':>11}  bar")
    for name, row in (("as fast as it goes, 0 ms away", near), ("at 80 % of that, 30 ms away", far)):
        measured, demand = row["pace"], row["pace"]["demand"]
        share = f"{measured['waiting_share'] * 100:.1f} %"
        bar = f"waiting ≤ 1 % {verdict(measured['waiting_share'] <= 0.01)}" if demand else ""
        demand = f"{demand:.0f}" if demand else "–"
        print(f"{name:34}{demand:>8}{measured['patches_per_second']:>11.0f}{share:>9}{row['store']['max_in_flight']:>11}  {bar}")
        print(f"    waited for: {shares(measured['waited_for'])}; leases: {shares(measured['work'])}")


def storage():
    opening, limit = rows["opening"]["opening"], 512 << 10
    print(f"\n{'storage':46}{'requests':>10}{'bytes':>14}  bar")
    line = "{:46}{:>10}{:>14,}  {}"
    cold, warm = opening["cold"], opening["warm"]
    # Connecting is a round trip as well.
    trips = rows["opening"]["store"]["rounds"] + 1
    bars = f"{trips} ≤ 5 round trips {verdict(trips <= 5)} · ≤ {limit:,} bytes {verdict(cold['bytes'] <= limit)}"
    print(line.format("cold open, 30 ms away", cold["requests"], cold["bytes"], f"{bars} · {cold['seconds'] * 1000:.0f} ms"))
    print(line.format("warm open", warm["requests"], warm["bytes"], f"no request {verdict(warm['requests'] == 0)}"))
    for how, name in (("grid", "grid of 256 px, in order"), ("overlap", "grid of 256 px every 192, in order")):
        run = rows[how]["summary"]
        ratio = run["bytes_fetched"] / opening["tile_bytes"]
        print(
            f"{name:46}{run['requests']:>10}{run['bytes_fetched']:>14,}  {ratio:.2f} ≤ 1.1 of the tiles' {opening['tile_bytes']:,} "
            f"{verdict(ratio <= 1.1)} · {run['patches_per_second']:.0f} patches/s"
        )


def online():
    row = rows["online"]["online"]
    planned = row["planned"]
    print(f"\n{'patches of a local slide, 2 workers':50}{'patches':>9}{'patches/s':>11}{'of planned':>12}{'tiles a patch':>15}  bar")
    names = {"planned": "planned", "planned_epochs": "planned, ten epochs of as many as a round", "asked": "ten rounds, each asked for when the last is read", "asked_ahead": "ten rounds, one asked for ahead"}
    for key, name in names.items():
        it = row[key]
        share = it["patches_per_second"] / planned["patches_per_second"]
        bar = f"≥ 80 % {verdict(share >= 0.8)}" if key == "asked" else ""
        print(f"{name:50}{it['patches']:>9}{it['patches_per_second']:>11.0f}{share * 100:>10.0f} %{it['tiles_per_patch']:>15.2f}  {bar}")


pipelines(float(sys.argv[1]))
pace()
storage()
online()
