"""Pipelines that several tests use."""

from dataflow_async.pipeline import Pipeline, col

ORDERS = {"id": "bigint", "amount": "decimal", "country": "string", "day": "date", "paid": "boolean"}
CUSTOMERS = {"id": "bigint", "tier": "string"}


def sources():
    """A pipeline with its two sources."""
    p = Pipeline("daily_orders")
    orders = p.object_storage("raw", prefix="orders/", format="JSON", columns=ORDERS)
    return p, orders, p.mysql("crm-connection", "customers", columns=CUSTOMERS)


def daily_orders():
    """The pipeline of the guide."""
    p, orders, customers = sources()
    gold = orders.join(customers, on=[("id", "id")], how="left", prefix="c_").filter(
        col("c_tier") == "gold", col("amount") >= 100
    )
    gold.aggregate(by=["country"], total=("amount", "sum")).to_object_storage(
        "marts", prefix="gold/", format="PARQUET", mode="overwrite"
    )
    return p
