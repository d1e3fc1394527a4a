/* A fake libnvidia-ml.so.1 that the real pynvml loads: it answers from a trace file instead of a driver.
 *
 * Trace: CSV lines "time_s,device,key,value"; device is an index or "*" for the system. A value holds from its time on; before its
 * first line a key has its first value. "power_shape,linear" draws power_w as straight lines between its points instead.
 * A value "unsupported" answers NVML_ERROR_NOT_SUPPORTED, "error:15" that error. "fail.KEY,3 999" fails the third call for KEY.
 * "lost,1" takes the GPU off the bus. "mig_parent,0" makes the device a MIG instance of device 0. Keys: see tests/fake_nvml/__init__.py.
 *
 * $FAKE_NVML_INIT is what nvmlInit answers, $FAKE_NVML_REFUSE every query of a device but its name and UUID, and
 * $FAKE_NVML_REFUSE_NAMES these two. "*,count" is how many devices there are said to be.
 *
 * Time is CLOCK_MONOTONIC minus $FAKE_NVML_T0, or what fake_nvml_set_time() was told. $FAKE_NVML_TRACE is read at nvmlInit.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OK = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, DRIVER_NOT_LOADED = 9, GPU_IS_LOST = 15, UNKNOWN = 999 };
enum { MAX_DEVICES = 64, SYSTEM = MAX_DEVICES, MAX_KEYS = 64, TEXT = 128 };
enum { FIELD_ENERGY = 83, FIELD_POWER_AVERAGE = 185, FIELD_POWER_INSTANT = 186 };

typedef struct { double time_s, value; int error; char text[TEXT]; } Point;
typedef struct { char key[48]; Point *points; double *integral; int num, capacity; long calls; } Series;
typedef struct Device { int index, is_known, can_fail; struct Device *parent; Series *lost; Series series[MAX_KEYS]; int num; } Device;

static Device devices[MAX_DEVICES + 1];
static int num_initialised;
static double simulated_s = -1.0, started_s;

void fake_nvml_set_time(double time_s) { simulated_s = time_s; }

static double now_s(void) {
    struct timespec now;
    if (simulated_s >= 0) return simulated_s;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec - started_s;
}

/* ---- the trace ------------------------------------------------------------------------------------------------------------ */

static Series *find(Device *device, const char *key) {
    for (int i = 0; i < device->num; i++)
        if (!strcmp(device->series[i].key, key)) return &device->series[i];
    return NULL;
}

static void add_point(Device *device, double time_s, const char *key, const char *value) {
    Series *series = find(device, key);
    if (!series) {
        if (device->num == MAX_KEYS) return;
        series = &device->series[device->num++];
        snprintf(series->key, sizeof series->key, "%s", key);
    }
    if (series->num == series->capacity) {
        series->capacity = series->capacity ? 2 * series->capacity : 8;
        series->points = realloc(series->points, sizeof(Point) * (size_t)series->capacity);
    }
    Point *point = &series->points[series->num++];
    point->time_s = time_s;
    point->value = atof(value);
    point->error = !strcmp(value, "unsupported") ? NOT_SUPPORTED : !strncmp(value, "error:", 6) ? atoi(value + 6) : OK;
    snprintf(point->text, TEXT, "%s", value);
}

static int is_linear(Device *device) {
    Series *shape = find(device, "power_shape");
    return shape && !strcmp(shape->points[0].text, "linear");
}

/* Joules from the first point of power_w up to each point: exact for held and for linear power. */
static void integrate(Device *device) {
    Series *power = find(device, "power_w");
    if (!power) return;
    power->integral = calloc((size_t)power->num, sizeof(double));
    for (int i = 1; i < power->num; i++) {
        Point *a = &power->points[i - 1], *b = &power->points[i];
        double mean = is_linear(device) ? (a->value + b->value) / 2 : a->value;
        power->integral[i] = power->integral[i - 1] + mean * (b->time_s - a->time_s);
    }
}

static void forget_trace(void) {
    for (int d = 0; d <= MAX_DEVICES; d++)
        for (int i = 0; i < devices[d].num; i++) {
            free(devices[d].series[i].points);
            free(devices[d].series[i].integral);
        }
    memset(devices, 0, sizeof devices);
}

static int read_trace(void) {
    const char *path = getenv("FAKE_NVML_TRACE"), *start = getenv("FAKE_NVML_T0");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[512], name[16], key[48], value[TEXT];
    double time_s;
    if (!file) return DRIVER_NOT_LOADED;
    forget_trace();
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%lf,%15[^,],%47[^,],%127[^\r\n]", &time_s, name, key, value) != 4) continue;
        int index = name[0] == '*' ? SYSTEM : atoi(name);
        if (index < 0 || index > SYSTEM) continue;
        devices[index].index = index;
        devices[index].is_known = 1;
        add_point(&devices[index], time_s, key, value);
    }
    fclose(file);
    started_s = start ? atof(start) : 0.0;
    for (int d = 0; d < MAX_DEVICES; d++) {
        Series *parent = find(&devices[d], "mig_parent");
        devices[d].parent = parent ? &devices[(int)parent->points[0].value] : NULL;
        devices[d].lost = find(&devices[d], "lost");
        for (int i = 0; i < devices[d].num; i++) devices[d].can_fail |= !strncmp(devices[d].series[i].key, "fail.", 5);
        integrate(&devices[d]);
    }
    return OK;
}

/* Index of the point that holds at time_s. */
static int locate(const Series *series, double time_s) {
    int low = 0, high = series->num - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (series->points[middle].time_s <= time_s) low = middle; else high = middle - 1;
    }
    return low;
}

static int is_lost(Device *device) {
    if (!device->lost) return 0;
    Point *point = &device->lost->points[locate(device->lost, now_s())];
    return point->time_s <= now_s() && point->value > 0;
}

/* Whether this call for a key was told to fail, and with what. */
static int failure(Device *device, const char *key) {
    char fail_key[64];
    int nth, code;
    if (!device->can_fail) return OK;
    snprintf(fail_key, sizeof fail_key, "fail.%s", key);
    Series *fail = find(device, fail_key);
    return fail && sscanf(fail->points[0].text, "%d %d", &nth, &code) == 2 && ++fail->calls == nth ? code : OK;
}

/* The point of a key now; NULL with *error set where the key is missing, the device is lost, or this call was told to fail. */
static Point *ask(Device *device, const char *key, int *error) {
    const char *refused = getenv(!strcmp(key, "uuid") || !strcmp(key, "name") ? "FAKE_NVML_REFUSE_NAMES" : "FAKE_NVML_REFUSE");
    if (refused && device != &devices[SYSTEM]) { *error = atoi(refused); return NULL; }
    if (!num_initialised) { *error = UNINITIALIZED; return NULL; }
    if (!device || !device->is_known) { *error = INVALID_ARGUMENT; return NULL; }
    if (is_lost(device) || (device->parent && is_lost(device->parent))) { *error = GPU_IS_LOST; return NULL; }
    if ((*error = failure(device, key))) return NULL;
    Series *series = find(device, key);
    if (!series) { *error = NOT_SUPPORTED; return NULL; }
    Point *point = &series->points[locate(series, now_s())];
    *error = point->error;
    return point->error ? NULL : point;
}

static int number(Device *device, const char *key, double *value) {
    int error;
    Point *point = ask(device, key, &error);
    if (point) *value = point->value;
    return error;
}

static int unsigned_number(Device *device, const char *key, double scale, unsigned *value) {
    double answer = 0;
    int error = number(device, key, &answer);
    if (!error) *value = (unsigned)lround(answer * scale);
    return error;
}

static int text(Device *device, const char *key, char *buffer, unsigned size) {
    int error;
    Point *point = ask(device, key, &error);
    if (!point) return error;
    if (strlen(point->text) >= size) return INSUFFICIENT_SIZE;
    strcpy(buffer, point->text);
    return OK;
}

/* ---- power and energy ------------------------------------------------------------------------------------------------------ */

static double power_at(Device *device, double time_s) {
    Series *power = find(device, "power_w");
    int i = locate(power, time_s);
    Point *a = &power->points[i];
    if (!is_linear(device) || i + 1 == power->num || time_s <= a->time_s) return a->value;
    Point *b = a + 1;
    return a->value + (b->value - a->value) * (time_s - a->time_s) / (b->time_s - a->time_s);
}

static double joules_at(Device *device, double time_s) {
    Series *power = find(device, "power_w");
    int i = locate(power, time_s);
    double since = time_s - power->points[i].time_s;
    return power->integral[i] + (power->points[i].value + power_at(device, time_s)) / 2 * since;
}

static double setting(Device *device, const char *key, double fallback) {
    Series *series = find(device, key);
    return series ? series->points[0].value : fallback;
}

static int power_w(Device *device, const char *key, double window_s, double *value) {
    double unused;
    int error;
    if (find(device, key)) return number(device, key, value);
    if ((error = number(device, "power_w", &unused))) return error;
    double now = now_s();
    *value = window_s > 0 ? (joules_at(device, now) - joules_at(device, now - window_s)) / window_s : power_at(device, now);
    return OK;
}

static int energy_j(Device *device, double *value) {
    double unused;
    int error;
    if (find(device, "energy_j")) return number(device, "energy_j", value);
    if ((error = failure(device, "energy_j")) || (error = number(device, "power_w", &unused))) return error;
    double refresh_s = setting(device, "energy_refresh_s", 0), wrap_j = setting(device, "energy_wrap_j", 0), now = now_s();
    if (refresh_s > 0) now = floor(now / refresh_s + 1e-9) * refresh_s;
    *value = setting(device, "energy_offset_j", 1000) + setting(device, "energy_scale", 1) * joules_at(device, now);
    if (wrap_j > 0) *value = fmod(*value, wrap_j);
    return OK;
}

static int milliwatts(Device *device, const char *key, double window_s, unsigned *value) {
    double watts = 0;
    int error = power_w(device, key, window_s, &watts);
    if (!error) *value = (unsigned)lround(watts * 1e3);
    return error;
}

int nvmlDeviceGetPowerUsage(Device *device, unsigned *value) { return milliwatts(device, "power_average_w", 1.0, value); }

int nvmlDeviceGetTotalEnergyConsumption(Device *device, unsigned long long *value) {
    double joules = 0;
    int error = energy_j(device, &joules);
    if (!error) *value = (unsigned long long)llround(joules * 1e3);
    return error;
}

typedef struct {
    unsigned field, scope;
    long long timestamp, latency_us;
    unsigned type, result;
    union { double number; unsigned small; unsigned long long large; } value;
} FieldValue;

int nvmlDeviceGetFieldValues(Device *device, int num, FieldValue *values) {
    if (is_lost(device)) return GPU_IS_LOST;
    for (int i = 0; i < num; i++) {
        FieldValue *value = &values[i];
        value->type = 1;
        value->value.large = 0;
        if (value->field == FIELD_POWER_INSTANT) value->result = (unsigned)milliwatts(device, "power_instant_w", 0, &value->value.small);
        else if (value->field == FIELD_POWER_AVERAGE) value->result = (unsigned)milliwatts(device, "power_average_w", 1, &value->value.small);
        else if (value->field == FIELD_ENERGY) {
            value->type = 3;
            value->result = (unsigned)nvmlDeviceGetTotalEnergyConsumption(device, &value->value.large);
        } else value->result = NOT_SUPPORTED;
    }
    return OK;
}

/* ---- the library and its devices ------------------------------------------------------------------------------------------- */

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    const char *refused = getenv("FAKE_NVML_INIT");
    int error = refused ? atoi(refused) : num_initialised ? OK : read_trace();
    if (!error) num_initialised++;
    return error;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlInit(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) {
    if (!num_initialised) return UNINITIALIZED;
    num_initialised--;
    return OK;
}
const char *nvmlErrorString(int code) {
    switch (code) {
        case OK: return "Success";
        case NOT_SUPPORTED: return "Not Supported";
        case DRIVER_NOT_LOADED: return "Driver Not Loaded";
        case GPU_IS_LOST: return "GPU is lost";
        default: return "Unknown Error";
    }
}
int nvmlSystemGetDriverVersion(char *buffer, unsigned size) { return text(&devices[SYSTEM], "driver", buffer, size); }
int nvmlSystemGetNVMLVersion(char *buffer, unsigned size) { return text(&devices[SYSTEM], "nvml", buffer, size); }
int nvmlSystemGetCudaDriverVersion_v2(int *version) { return unsigned_number(&devices[SYSTEM], "cuda", 1, (unsigned *)version); }
int nvmlSystemGetCudaDriverVersion(int *version) { return nvmlSystemGetCudaDriverVersion_v2(version); }

int nvmlDeviceGetCount_v2(unsigned *count) {
    if (!num_initialised) return UNINITIALIZED;
    Series *told = find(&devices[SYSTEM], "count");
    if (told) { *count = (unsigned)told->points[locate(told, now_s())].value; return OK; }
    *count = 0;
    for (int d = 0; d < MAX_DEVICES; d++) *count += devices[d].is_known && !devices[d].parent;
    return OK;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device **handle) {
    for (int d = 0; d < MAX_DEVICES; d++)
        if (devices[d].is_known && !devices[d].parent && index-- == 0) {
            *handle = &devices[d];
            return is_lost(*handle) ? GPU_IS_LOST : OK;
        }
    return INVALID_ARGUMENT;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, Device **handle) {
    for (int d = 0; d < MAX_DEVICES; d++) {
        Series *series = find(&devices[d], "uuid");
        if (series && !strcmp(series->points[0].text, uuid)) { *handle = &devices[d]; return OK; }
    }
    return NOT_FOUND;
}
int nvmlDeviceGetIndex(Device *device, unsigned *index) { *index = (unsigned)device->index; return OK; }
int nvmlDeviceGetName(Device *device, char *buffer, unsigned size) { return text(device, "name", buffer, size); }
int nvmlDeviceGetUUID(Device *device, char *buffer, unsigned size) { return text(device, "uuid", buffer, size); }
int nvmlDeviceGetVbiosVersion(Device *device, char *buffer, unsigned size) { return text(device, "vbios", buffer, size); }

/* ---- MIG ------------------------------------------------------------------------------------------------------------------- */

int nvmlDeviceGetMigMode(Device *device, unsigned *current, unsigned *pending) {
    int error = unsigned_number(device, "mig", 1, current);
    if (!error) *pending = *current;
    return error;
}
int nvmlDeviceGetMaxMigDeviceCount(Device *device, unsigned *count) { (void)device; *count = 7; return OK; }
int nvmlDeviceIsMigDeviceHandle(Device *device, unsigned *answer) { *answer = device->parent != NULL; return OK; }
int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(Device *device, Device **parent) { *parent = device->parent; return *parent ? OK : INVALID_ARGUMENT; }
int nvmlDeviceGetMigDeviceHandleByIndex(Device *device, unsigned index, Device **handle) {
    for (int d = 0; d < MAX_DEVICES; d++)
        if (devices[d].is_known && devices[d].parent == device && index-- == 0) { *handle = &devices[d]; return OK; }
    return NOT_FOUND;
}

/* ---- sensors --------------------------------------------------------------------------------------------------------------- */

int nvmlDeviceGetUtilizationRates(Device *device, unsigned rates[2]) {
    int error = unsigned_number(device, "gpu_utilization", 100, &rates[0]);
    return error ? error : unsigned_number(device, "memory_controller_utilization", 100, &rates[1]);
}

static int memory(Device *device, unsigned long long *total, unsigned long long *used) {
    double all = 0, taken = 0;
    int error = number(device, "memory_bytes", &all);
    if (!error) error = number(device, "memory_used_bytes", &taken);
    *total = (unsigned long long)all;
    *used = (unsigned long long)taken;
    return error;
}
int nvmlDeviceGetMemoryInfo(Device *device, unsigned long long info[3]) {
    int error = memory(device, &info[0], &info[2]);
    info[1] = info[0] - info[2];
    return error;
}
int nvmlDeviceGetMemoryInfo_v2(Device *device, unsigned long long info[5]) {
    int error = memory(device, &info[1], &info[4]);
    info[2] = 0;
    info[3] = info[1] - info[4];
    return error;
}

int nvmlDeviceGetTemperature(Device *device, int sensor, unsigned *value) { (void)sensor; return unsigned_number(device, "temperature_c", 1, value); }
typedef struct { unsigned version, sensor; int value; } Temperature;
int nvmlDeviceGetTemperatureV(Device *device, Temperature *answer) {
    return unsigned_number(device, "temperature_c", 1, (unsigned *)&answer->value);
}
int nvmlDeviceGetTemperatureThreshold(Device *device, int kind, unsigned *value) {
    return kind == 1 ? unsigned_number(device, "temperature_slowdown_c", 1, value) : NOT_SUPPORTED;
}
int nvmlDeviceGetClockInfo(Device *device, int kind, unsigned *value) {
    return unsigned_number(device, kind == 2 ? "memory_clock_hz" : "sm_clock_hz", 1e-6, value);
}
int nvmlDeviceGetMaxClockInfo(Device *device, int kind, unsigned *value) {
    return unsigned_number(device, kind == 2 ? "memory_clock_max_hz" : "sm_clock_max_hz", 1e-6, value);
}

static int reasons(Device *device, const char *key, unsigned long long *mask) {
    double value = 0;
    int error = number(device, key, &value);
    if (!error) *mask = (unsigned long long)value;
    return error;
}
int nvmlDeviceGetCurrentClocksEventReasons(Device *device, unsigned long long *mask) { return reasons(device, "throttle_reasons", mask); }
int nvmlDeviceGetCurrentClocksThrottleReasons(Device *device, unsigned long long *mask) { return reasons(device, "throttle_reasons", mask); }
int nvmlDeviceGetSupportedClocksEventReasons(Device *device, unsigned long long *mask) { return reasons(device, "throttle_supported", mask); }
int nvmlDeviceGetSupportedClocksThrottleReasons(Device *device, unsigned long long *mask) { return reasons(device, "throttle_supported", mask); }

int nvmlDeviceGetCurrPcieLinkGeneration(Device *device, unsigned *value) { return unsigned_number(device, "pcie_generation", 1, value); }
int nvmlDeviceGetMaxPcieLinkGeneration(Device *device, unsigned *value) { return unsigned_number(device, "pcie_generation_max", 1, value); }
int nvmlDeviceGetCurrPcieLinkWidth(Device *device, unsigned *value) { return unsigned_number(device, "pcie_width", 1, value); }
int nvmlDeviceGetMaxPcieLinkWidth(Device *device, unsigned *value) { return unsigned_number(device, "pcie_width_max", 1, value); }
int nvmlDeviceGetPowerManagementLimit(Device *device, unsigned *value) { return unsigned_number(device, "power_limit_w", 1e3, value); }
int nvmlDeviceGetEnforcedPowerLimit(Device *device, unsigned *value) { return unsigned_number(device, "power_limit_w", 1e3, value); }
int nvmlDeviceGetPowerManagementDefaultLimit(Device *device, unsigned *value) { return unsigned_number(device, "power_limit_default_w", 1e3, value); }
int nvmlDeviceGetPersistenceMode(Device *device, unsigned *value) { return unsigned_number(device, "persistence", 1, value); }
int nvmlDeviceGetEccMode(Device *device, unsigned *current, unsigned *pending) {
    int error = unsigned_number(device, "ecc", 1, current);
    if (!error) *pending = *current;
    return error;
}
int nvmlDeviceGetTotalEccErrors(Device *device, int kind, int counter, unsigned long long *value) {
    (void)counter;
    return reasons(device, kind == 1 ? "ecc_uncorrected" : "ecc_corrected", value);
}
int nvmlDeviceGetCudaComputeCapability(Device *device, int *major, int *minor) {
    char version[TEXT];
    int error = text(device, "compute_capability", version, TEXT);
    return error ? error : sscanf(version, "%d.%d", major, minor) == 2 ? OK : UNKNOWN;
}
int nvmlDeviceGetNvLinkState(Device *device, unsigned link, unsigned *active) {
    unsigned num = 0;
    int error = unsigned_number(device, "nvlinks", 1, &num);
    if (error || link >= num) return NOT_SUPPORTED;
    *active = 1;
    return OK;
}

typedef struct { unsigned pid; unsigned long long used_bytes; unsigned gpu_instance, compute_instance; } Process;

int nvmlDeviceGetComputeRunningProcesses_v3(Device *device, unsigned *count, Process *processes) {
    char pids[TEXT] = "", *rest = pids, *pid;
    unsigned found = 0, capacity = *count;
    int error = text(device, "pids", pids, TEXT);
    if (error) return error;
    while ((pid = strtok_r(rest, " ", &rest))) {
        if (atoi(pid) <= 0) continue;
        if (processes && found < capacity) processes[found] = (Process){(unsigned)atoi(pid), 1 << 20, 0xFFFFFFFF, 0xFFFFFFFF};
        found++;
    }
    *count = found;
    return found > capacity ? INSUFFICIENT_SIZE : OK;
}
