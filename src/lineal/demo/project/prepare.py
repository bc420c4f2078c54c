"""Cuts the recorded flights into what is learned from and what is tested on: a split by time, as production will be."""

from pathlib import Path

import pandas as pd

LATE_MINUTES = 15
KNOWN_WHEN_SCHEDULED = ["carrier", "origin", "dest", "month", "weekday", "departure", "arrival", "distance"]
KNOWN_AFTERWARDS = ["arr_time", "late"]


def read_months(folder: Path) -> pd.DataFrame:
    return pd.concat([pd.read_csv(path) for path in sorted(folder.glob("*.csv"))], ignore_index=True)


def clock_hours(hhmm: pd.Series) -> pd.Series:
    return (hhmm // 100 + hhmm % 100 / 60).round(3)


def make_features(flights: pd.DataFrame) -> pd.DataFrame:
    return flights.assign(
        weekday=pd.to_datetime(flights[["year", "month", "day"]]).dt.day_of_week,
        departure=clock_hours(flights["sched_dep_time"]),
        arrival=clock_hours(flights["sched_arr_time"]),
        late=(flights["arr_delay"] > LATE_MINUTES).astype(int),
    )


if __name__ == "__main__":
    flights = read_months(Path("data/flights"))
    landed = make_features(flights[flights["arr_delay"].notna()])
    table = landed[KNOWN_WHEN_SCHEDULED + KNOWN_AFTERWARDS]
    table[table["month"] <= 2].to_csv("data/train.csv", index=False)
    table[table["month"] == 3].to_csv("data/test.csv", index=False)
    print(f"{len(table):,} flights landed, {table['late'].mean():.1%} of them more than {LATE_MINUTES} minutes late")
