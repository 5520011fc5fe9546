"""Run by every Python interpreter that has this folder on its `PYTHONPATH`: what tests want of the processes of the
product, laid down in their environment."""

from tests.counting import count
from tests.faults import arm

arm()
count()
