from tests.alerts.conftest import webhook as webhook
from tests.driver.conftest import start_driver as start_driver
