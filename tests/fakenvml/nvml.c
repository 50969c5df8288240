/* A driver library that does what a script says, for tests of the layer above the real pynvml.
 *
 * The script is the file named by FAKE_NVML_SCRIPT, read again on every call. Each line has four
 * words, `verb key gpu number`, where `*` stands for every GPU:
 *
 *   set KEY GPU VALUE         a value that is read (keys: see the calls of `value`)
 *   fail FUNCTION GPU CODE    the function answers CODE
 *   hang FUNCTION GPU 1       the function never returns
 *   compute PID GPU BYTES     a process that computes
 *   graphics PID GPU BYTES    a process that draws
 *   field ID GPU VALUE        a field value; fields without a line are not supported
 *   xid event GPU CODE        delivered once, in the order of the lines
 *
 * Built with -DOLD_DRIVER it lacks the functions that old drivers lack. Built with -DREAD_ONCE it
 * reads `set`, `fail`, `hang` and `field` once only: measurements shall not measure the reading.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    INSUFFICIENT_SIZE = 7,
    TIMEOUT = 10,
    GPU_IS_LOST = 15,
    VERSION_MISMATCH = 25
};
enum { GPUS_MAX = 64, LINES_MAX = 64, XID_CRITICAL = 8, TYPE_UNSIGNED_LONG_LONG = 3, ANY = -1 };

typedef unsigned long long word;
typedef struct { int index; } Gpu;

static Gpu gpus[GPUS_MAX];
static int initialized;
static int delivered;
static int listening[GPUS_MAX];

typedef struct {
    char verb[16], key[64], who[8];
    word number;
} Line;

static int next_line(FILE *script, Line *line) {
    return fscanf(script, "%15s %63s %7s %llu", line->verb, line->key, line->who, &line->number) == 4;
}

static FILE *open_script(void) {
    FILE *script = fopen(getenv("FAKE_NVML_SCRIPT"), "r");
    if (!script) abort();
    return script;
}

static int concerns(const Line *line, int gpu) {
    return strcmp(line->who, "*") == 0 || atoi(line->who) == gpu;
}

#ifdef READ_ONCE
static int find(const char *verb, const char *key, int gpu, word *number) {
    static Line lines[LINES_MAX];
    static int count;
    if (count == 0) {
        FILE *script = open_script();
        while (count < LINES_MAX && next_line(script, &lines[count])) count++;
        fclose(script);
    }
    for (int i = 0; i < count; i++)
        if (!strcmp(lines[i].verb, verb) && !strcmp(lines[i].key, key) && concerns(&lines[i], gpu)) {
            *number = lines[i].number;
            return 1;
        }
    return 0;
}
#else
static int find(const char *verb, const char *key, int gpu, word *number) {
    FILE *script = open_script();
    Line line;
    int found = 0;
    while (!found && next_line(script, &line))
        found = !strcmp(line.verb, verb) && !strcmp(line.key, key) && concerns(&line, gpu);
    fclose(script);
    if (found) *number = line.number;
    return found;
}
#endif

static word value(const char *key, int gpu, word otherwise) {
    word number;
    return find("set", key, gpu, &number) ? number : otherwise;
}

static int enter(const char *function, int gpu) {
    word number;
    if (find("hang", function, gpu, &number))
        for (;;) pause();
    if (find("fail", function, gpu, &number)) return (int)number;
    if (!initialized) return UNINITIALIZED;
    if (gpu != ANY && value("lost", gpu, 0)) return GPU_IS_LOST;
    return SUCCESS;
}

#define ENTER(gpu) do { int code = enter(__func__, gpu); if (code) return code; } while (0)
#define READ(gpu, key, otherwise) do { ENTER((gpu)->index); *out = value(key, (gpu)->index, otherwise); \
    return SUCCESS; } while (0)

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    initialized = 1;
    ENTER(ANY);
    for (int i = 0; i < GPUS_MAX; i++) gpus[i].index = i;
    return SUCCESS;
}

int nvmlShutdown(void) { initialized = 0; return SUCCESS; }

const char *nvmlErrorString(int code) { (void)code; return "an error of the fake driver"; }

int nvmlDeviceGetCount_v2(unsigned *out) {
    ENTER(ANY);
    *out = value("count", ANY, 2);
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Gpu **out) {
    word code;
    if (find("fail", __func__, (int)index, &code)) return (int)code;
    if (index >= value("count", ANY, 2)) return INVALID_ARGUMENT;
    *out = &gpus[index];
    return SUCCESS;
}

int nvmlDeviceGetUUID(Gpu *gpu, char *out, unsigned length) {
    word code;
    if (find("hang", __func__, gpu->index, &code))
        for (;;) pause();
    if (find("fail", __func__, gpu->index, &code)) return (int)code;
    snprintf(out, length, "GPU-fake-%02d", gpu->index);
    return SUCCESS;
}

int nvmlDeviceGetName(Gpu *gpu, char *out, unsigned length) {
    ENTER(gpu->index);
    snprintf(out, length, "Fake RTX");
    return SUCCESS;
}

typedef struct {
    char bus_id_legacy[16];
    unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
} PciInfo;

int nvmlDeviceGetPciInfo_v3(Gpu *gpu, PciInfo *out) {
    ENTER(gpu->index);
    memset(out, 0, sizeof *out);
    snprintf(out->bus_id, sizeof out->bus_id, "00000000:%02X:00.0", gpu->index + 1);
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(Gpu *gpu, unsigned out[2]) {
    ENTER(gpu->index);
    out[0] = value("utilization", gpu->index, 97);
    out[1] = value("memory_utilization", gpu->index, 41);
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(Gpu *gpu, word out[3]) {
    ENTER(gpu->index);
    out[0] = value("memory_total", gpu->index, 24000000000);
    out[2] = value("memory_used_v1", gpu->index, 1500000000);
    out[1] = out[0] - out[2];
    return SUCCESS;
}

int nvmlDeviceGetTemperature(Gpu *gpu, int sensor, unsigned *out) {
    if (sensor != 0) return INVALID_ARGUMENT;
    READ(gpu, "temperature_old", 50);
}

int nvmlDeviceGetPowerUsage(Gpu *gpu, unsigned *out) { READ(gpu, "power", 250000); }
int nvmlDeviceGetEnforcedPowerLimit(Gpu *gpu, unsigned *out) { READ(gpu, "power_limit", 300000); }
int nvmlDeviceGetTotalEnergyConsumption(Gpu *gpu, word *out) { READ(gpu, "energy", 123456789); }
int nvmlDeviceGetCurrPcieLinkGeneration(Gpu *gpu, unsigned *out) { READ(gpu, "pcie_generation", 3); }
int nvmlDeviceGetCurrPcieLinkWidth(Gpu *gpu, unsigned *out) { READ(gpu, "pcie_width", 1); }
int nvmlDeviceGetPcieReplayCounter(Gpu *gpu, unsigned *out) { READ(gpu, "pcie_replays", 5); }
int nvmlDeviceGetNumFans(Gpu *gpu, unsigned *out) { READ(gpu, "fans", 2); }

int nvmlDeviceGetFanSpeed_v2(Gpu *gpu, unsigned fan, unsigned *out) { READ(gpu, "fan", 60 + fan); }

static word locked(const char *key, int gpu, word clock);

int nvmlDeviceGetClockInfo(Gpu *gpu, int clock, unsigned *out) {
    ENTER(gpu->index);
    word free_running = value(clock == 2 ? "memory_clock" : "sm_clock", gpu->index, clock == 2 ? 9501 : 1740);
    *out = locked(clock == 2 ? "memory_lock" : "sm_lock", gpu->index, free_running);
    return SUCCESS;
}

int nvmlDeviceGetTotalEccErrors(Gpu *gpu, int type, int counter, word *out) {
    if (counter != 1) return INVALID_ARGUMENT;
    READ(gpu, type ? "ecc_uncorrected" : "ecc_corrected", type ? 0 : 3);
}

/* Processes */

typedef struct { unsigned pid; word memory; unsigned gpu_instance, compute_instance; } Process;

static int list(const char *verb, Gpu *gpu, unsigned *count, Process *out) {
    FILE *script = open_script();
    Line line;
    unsigned found = 0;
    while (next_line(script, &line)) {
        if (strcmp(line.verb, verb) || !concerns(&line, gpu->index)) continue;
        if (out && found < *count)
            out[found] = (Process){(unsigned)atoi(line.key), line.number, ~0u, ~0u};
        found++;
    }
    fclose(script);
    int fits = found <= *count;
    *count = found;
    return fits ? SUCCESS : INSUFFICIENT_SIZE;
}

#define PROCESS_LIST(function, verb) \
    int function(Gpu *gpu, unsigned *count, Process *out) { ENTER(gpu->index); \
        return list(verb, gpu, count, out); }

/* Events */

int nvmlEventSetCreate(void **out) {
    ENTER(ANY);
    *out = &delivered;
    return SUCCESS;
}

int nvmlEventSetFree(void *events) {
    (void)events;
    memset(listening, 0, sizeof listening);
    return SUCCESS;
}

int nvmlDeviceGetSupportedEventTypes(Gpu *gpu, word *out) { READ(gpu, "event_types", XID_CRITICAL); }

int nvmlDeviceRegisterEvents(Gpu *gpu, word types, void *events) {
    (void)events;
    ENTER(gpu->index);
    listening[gpu->index] = types == XID_CRITICAL;
    return SUCCESS;
}

typedef struct { Gpu *gpu; word type, data; unsigned gpu_instance, compute_instance; } Event;

int nvmlEventSetWait_v2(void *events, Event *out, unsigned timeout_ms) {
    (void)events;
    (void)timeout_ms;
    ENTER(ANY);
    FILE *script = open_script();
    Line line;
    int seen = 0, code = TIMEOUT;
    while (code == TIMEOUT && next_line(script, &line)) {
        if (strcmp(line.verb, "xid") || seen++ < delivered) continue;
        Gpu *gpu = &gpus[atoi(line.who)];
        delivered++;
        if (!listening[gpu->index]) continue;
        *out = (Event){gpu, XID_CRITICAL, line.number, ~0u, ~0u};
        code = SUCCESS;
    }
    fclose(script);
    return code;
}

#ifdef OLD_DRIVER

PROCESS_LIST(nvmlDeviceGetComputeRunningProcesses_v2, "compute")
PROCESS_LIST(nvmlDeviceGetGraphicsRunningProcesses_v2, "graphics")

int nvmlDeviceGetCurrentClocksThrottleReasons(Gpu *gpu, word *out) { READ(gpu, "throttle", 0x20); }

#else

PROCESS_LIST(nvmlDeviceGetComputeRunningProcesses_v3, "compute")
PROCESS_LIST(nvmlDeviceGetGraphicsRunningProcesses_v3, "graphics")

int nvmlDeviceGetCurrentClocksEventReasons(Gpu *gpu, word *out) { READ(gpu, "throttle", 0x84); }

typedef struct { unsigned version; word total, reserved, free, used; } MemoryV2;

int nvmlDeviceGetMemoryInfo_v2(Gpu *gpu, MemoryV2 *out) {
    ENTER(gpu->index);
    if (out->version != (sizeof *out | 2 << 24)) return VERSION_MISMATCH;
    out->total = value("memory_total", gpu->index, 24000000000);
    out->reserved = 500000000;
    out->used = value("memory_used", gpu->index, 1000000000);
    out->free = out->total - out->used - out->reserved;
    return SUCCESS;
}

typedef struct { unsigned version; int sensor, temperature; } TemperatureV1;

int nvmlDeviceGetTemperatureV(Gpu *gpu, TemperatureV1 *out) {
    ENTER(gpu->index);
    if (out->version != (sizeof *out | 1 << 24)) return VERSION_MISMATCH;
    out->temperature = (int)value("temperature", gpu->index, 60 + gpu->index);
    return SUCCESS;
}

int nvmlDeviceGetRemappedRows(Gpu *gpu, unsigned *corrected, unsigned *uncorrected,
                              unsigned *pending, unsigned *failed) {
    ENTER(gpu->index);
    *corrected = value("rows_corrected", gpu->index, 1);
    *uncorrected = value("rows_uncorrected", gpu->index, 0);
    *pending = 0;
    *failed = value("rows_failed", gpu->index, 0);
    return SUCCESS;
}

typedef struct {
    unsigned field, scope;
    long long timestamp, latency_us;
    int type, code;
    word value;
} FieldValue;

int nvmlDeviceGetFieldValues(Gpu *gpu, int count, FieldValue *values) {
    ENTER(gpu->index);
    for (int i = 0; i < count; i++) {
        char id[16];
        snprintf(id, sizeof id, "%u", values[i].field);
        values[i].value = 0xBAD;
        values[i].type = TYPE_UNSIGNED_LONG_LONG;
        values[i].code = find("field", id, gpu->index, &values[i].value) ? SUCCESS : NOT_SUPPORTED;
    }
    return SUCCESS;
}

#endif

#include "tuning.c"
