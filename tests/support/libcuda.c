/* A driver for tests: FAKE_GPU holds how many GPUs there are, the call that fails, and with which error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static char memory[1 << 16]; static unsigned long long used;
static int fault(const char *call) {
  char name[64] = ""; int devices = 1, code = 0;
  const char *words = getenv("FAKE_GPU");
  if (words) sscanf(words, "%d %63s %d", &devices, name, &code);
  if (!devices) return 100;
  return strcmp(name, call) ? 0 : code;
}
int cuInit(unsigned flags) { return fault("cuInit"); }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return fault("cuDeviceGet"); }
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = memory; return fault("cuDevicePrimaryCtxRetain"); }
int cuCtxSetCurrent(void *context) { return fault("cuCtxSetCurrent"); }
int cuStreamCreateWithPriority(void **stream, unsigned flags, int priority) { *stream = memory; return fault("cuStreamCreateWithPriority"); }
int cuMemAlloc_v2(unsigned long long *place, size_t size) {
  static int calls; *place = (unsigned long long)memory + (used++ % 512) * 128;
  return calls++ ? fault("cuMemAlloc_v2") : 0;
}
int cuMemFree_v2(unsigned long long place) { return fault("cuMemFree_v2"); }
int cuMemsetD8Async(unsigned long long place, unsigned char mark, size_t size, void *stream) {
  if (fault("wrong")) mark++;
  memset((void *)place, mark, size); return fault("cuMemsetD8Async");
}
int cuMemcpyDtoHAsync_v2(void *host, unsigned long long place, size_t size, void *stream) {
  memcpy(host, (void *)place, size); return fault("cuMemcpyDtoHAsync_v2");
}
int cuStreamSynchronize(void *stream) { return fault("cuStreamSynchronize"); }
int cuDeviceGetUuid(char *uuid, int device) { memset(uuid, 0x11, 16); return 0; }
int cuDeviceGetUuid_v2(char *uuid, int device) { memset(uuid, fault("mig") ? 0x22 : 0x11, 16); return 0; }
int cuGetErrorString(int code, const char **text) { *text = "the fake driver's words"; return 0; }
