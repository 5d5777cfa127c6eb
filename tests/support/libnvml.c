/* NVML for tests: one GPU, whose UUID is FAKE_NVML, with fixed figures; its power cannot be read. */
#include <stdlib.h>
#include <string.h>
int nvmlInitWithFlags(unsigned flags) { return 0; }
int nvmlDeviceGetHandleByUUID(const char *uuid, void **device) {
  const char *own = getenv("FAKE_NVML");
  *device = (void *)own;
  return own && !strcmp(uuid, own) ? 0 : 6; /* not found */
}
int nvmlDeviceGetUtilizationRates(void *device, unsigned rates[2]) { rates[0] = 37; rates[1] = 5; return 0; }
int nvmlDeviceGetMemoryInfo(void *device, unsigned long long memory[3]) {
  memory[0] = 30; memory[1] = 20; memory[2] = 10; /* total, free, used */
  return 0;
}
int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts) { return 3; /* not supported */ }
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *celsius) { *celsius = sensor ? 0 : 61; return 0; }
