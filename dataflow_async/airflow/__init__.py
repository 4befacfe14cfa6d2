"""Operators, a sensor and a trigger for Apache Airflow."""
