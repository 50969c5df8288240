/* What can be set on a fake card; a part of nvml.c.
 *
 * What was set stands in the file FAKE_NVML_SCRIPT.set, in the same lines as the script's `set`, the
 * newest last: every process sees it, as with a real card. A further verb of the script:
 *
 *   deaf FUNCTION GPU 1       the function answers SUCCESS and sets nothing
 *
 * Clocks follow locks; switching persistence off undoes the power limit; P0 and P2 share one offset
 * (but for what `p2_drift` adds to P2), P8 takes none. Built with -DOLD_DRIVER there is one offset for
 * all P-states.
 */
enum { MANUAL_FAN = 1, PSTATE_UNKNOWN = 32, PSTATES_MAX = 16 };
#define NEVER_SET (~0ULL)

static FILE *open_set(const char *mode) {
    char path[4096];
    snprintf(path, sizeof path, "%s.set", getenv("FAKE_NVML_SCRIPT"));
    return fopen(path, mode);
}

static word was_set(const char *key, int gpu) {
    word newest = NEVER_SET;
    Line line;
    FILE *set = open_set("r");
    if (!set) return newest;
    while (next_line(set, &line))
        if (concerns(&line, gpu) && !strcmp(line.key, key)) newest = line.number;
    fclose(set);
    return newest;
}

static word setting(const char *key, int gpu, word otherwise) {
    word newest = was_set(key, gpu);
    return newest == NEVER_SET ? value(key, gpu, otherwise) : newest;
}

static void note(const char *key, int gpu, word number) {
    FILE *set = open_set("a");
    if (!set) abort();
    fprintf(set, "set %s %d %llu\n", key, gpu, number);
    fclose(set);
}

static int put(const char *function, const char *key, int gpu, word number) {
    word deaf;
    int code = enter(function, gpu);
    if (code == SUCCESS && !find("deaf", function, gpu, &deaf)) note(key, gpu, number);
    return code;
}

#define PUT(gpu, key, number) return put(__func__, key, (gpu)->index, (word)(number))
#define SHOW(gpu, key, otherwise) do { ENTER((gpu)->index); \
    *out = setting(key, (gpu)->index, otherwise); return SUCCESS; } while (0)

int nvmlDeviceGetHandleByUUID(const char *uuid, Gpu **out) {
    int index;
    ENTER(ANY);
    if (sscanf(uuid, "GPU-fake-%d", &index) != 1 || index >= (int)value("count", ANY, 2))
        return INVALID_ARGUMENT;
    *out = &gpus[index];
    return SUCCESS;
}

int nvmlDeviceGetPowerManagementLimit(Gpu *gpu, unsigned *out) {
    SHOW(gpu, "limit", value("power_default", gpu->index, 300000));
}
int nvmlDeviceSetPowerManagementLimit(Gpu *gpu, unsigned mw) { PUT(gpu, "limit", mw); }
int nvmlDeviceGetPowerManagementDefaultLimit(Gpu *gpu, unsigned *out) {
    READ(gpu, "power_default", 300000);
}

int nvmlDeviceGetPowerManagementLimitConstraints(Gpu *gpu, unsigned *low, unsigned *high) {
    ENTER(gpu->index);
    *low = value("power_min", gpu->index, 100000);
    *high = value("power_max", gpu->index, 350000);
    return SUCCESS;
}

int nvmlDeviceGetPersistenceMode(Gpu *gpu, unsigned *out) { SHOW(gpu, "persistence", 1); }

int nvmlDeviceSetPersistenceMode(Gpu *gpu, unsigned mode) {
    int code = put(__func__, "persistence", gpu->index, mode);
    if (code == SUCCESS && !mode) note("limit", gpu->index, value("power_default", gpu->index, 300000));
    return code;
}

int nvmlDeviceGetComputeMode(Gpu *gpu, int *out) { SHOW(gpu, "compute_mode", 0); }
int nvmlDeviceSetComputeMode(Gpu *gpu, int mode) { PUT(gpu, "compute_mode", mode); }

/* Clocks: nvmlDeviceGetClockInfo shows the upper end of a lock, as a busy card would. */

int nvmlDeviceSetGpuLockedClocks(Gpu *gpu, unsigned low, unsigned high) { (void)low; PUT(gpu, "sm_lock", high); }
int nvmlDeviceResetGpuLockedClocks(Gpu *gpu) { PUT(gpu, "sm_lock", 0); }
int nvmlDeviceSetMemoryLockedClocks(Gpu *gpu, unsigned low, unsigned high) { (void)low; PUT(gpu, "memory_lock", high); }
int nvmlDeviceResetMemoryLockedClocks(Gpu *gpu) { PUT(gpu, "memory_lock", 0); }

static word locked(const char *key, int gpu, word clock) {
    word lock = setting(key, gpu, 0);
    return lock && lock < clock ? lock : clock;
}

int nvmlDeviceGetMaxClockInfo(Gpu *gpu, int clock, unsigned *out) {
    READ(gpu, clock == 2 ? "memory_clock_max" : "sm_clock_max", clock == 2 ? 9751 : 2100);
}

static int give(const unsigned *clocks, unsigned *count, unsigned *out) {
    int fits = out && *count >= 2;
    if (fits) memcpy(out, clocks, 2 * sizeof *clocks);
    *count = 2;
    return fits ? SUCCESS : INSUFFICIENT_SIZE;
}

int nvmlDeviceGetSupportedMemoryClocks(Gpu *gpu, unsigned *count, unsigned *out) {
    ENTER(gpu->index);
    return give((unsigned[]){9501, 405}, count, out);
}

int nvmlDeviceGetSupportedGraphicsClocks(Gpu *gpu, unsigned memory, unsigned *count, unsigned *out) {
    ENTER(gpu->index);
    if (memory != 9501) return INVALID_ARGUMENT;
    return give((unsigned[]){2100, 210}, count, out);
}

/* Fans */

static const char *fan_key(unsigned fan) { return fan ? "fan_1" : "fan_0"; }

int nvmlDeviceGetTargetFanSpeed(Gpu *gpu, unsigned fan, unsigned *out) { SHOW(gpu, fan_key(fan), 0); }
int nvmlDeviceSetFanSpeed_v2(Gpu *gpu, unsigned fan, unsigned percent) { PUT(gpu, fan_key(fan), percent); }
int nvmlDeviceSetDefaultFanSpeed_v2(Gpu *gpu, unsigned fan) { PUT(gpu, fan_key(fan), 0); }

int nvmlDeviceGetFanControlPolicy_v2(Gpu *gpu, unsigned fan, unsigned *out) {
    ENTER(gpu->index);
    *out = setting(fan_key(fan), gpu->index, 0) ? MANUAL_FAN : 0;
    return SUCCESS;
}

int nvmlDeviceGetMinMaxFanSpeed(Gpu *gpu, unsigned *low, unsigned *high) {
    ENTER(gpu->index);
    *low = 30;
    *high = 100;
    return SUCCESS;
}

/* Offsets, stored with 100000 added because the script's numbers have no sign. */

static const char *offset_key(int clock) { return clock == 2 ? "memory_offset" : "sm_offset"; }

static int offset_of(int clock, int gpu) {
    return (int)((long long)setting(offset_key(clock), gpu, 100000) - 100000);
}

#ifdef OLD_DRIVER

#define OLD_OFFSET(name, clock) \
    int nvmlDeviceGet##name##VfOffset(Gpu *gpu, int *out) { ENTER(gpu->index); \
        *out = offset_of(clock, gpu->index); return SUCCESS; } \
    int nvmlDeviceSet##name##VfOffset(Gpu *gpu, int mhz) { PUT(gpu, offset_key(clock), mhz + 100000); } \
    int nvmlDeviceGet##name##MinMaxVfOffset(Gpu *gpu, int *low, int *high) { ENTER(gpu->index); \
        *low = -500; *high = 1000; return SUCCESS; }

OLD_OFFSET(GpcClk, 0)
OLD_OFFSET(MemClk, 2)

#else

int nvmlDeviceGetSupportedPerformanceStates(Gpu *gpu, int *out, unsigned size) {
    ENTER(gpu->index);
    int states[PSTATES_MAX] = {0, 2, 8};
    for (int i = 3; i < PSTATES_MAX; i++) states[i] = PSTATE_UNKNOWN;
    memcpy(out, states, size < sizeof states ? size : sizeof states);
    return SUCCESS;
}

typedef struct { unsigned version; int type, pstate, offset, low, high; } ClockOffset;

int nvmlDeviceGetClockOffsets(Gpu *gpu, ClockOffset *out) {
    ENTER(gpu->index);
    if (out->version != (sizeof *out | 1 << 24)) return VERSION_MISMATCH;
    int none = out->pstate == 8;
    out->offset = none ? 0 : offset_of(out->type, gpu->index);
    if (out->pstate == 2) out->offset += (int)value("p2_drift", gpu->index, 0);
    out->low = none ? 0 : -500;
    out->high = none ? 0 : 1000;
    return SUCCESS;
}

int nvmlDeviceSetClockOffsets(Gpu *gpu, ClockOffset *in) {
    if (in->version != (sizeof *in | 1 << 24)) return VERSION_MISMATCH;
    PUT(gpu, offset_key(in->type), in->offset + 100000);
}

#endif
