#undef NDEBUG
#include <assert.h>
#include <string.h>

#include "cni.h"
#include "orch.h"

// The host's functions, played by the test: all that is asked for works.
#define SANDBOX orch_cni_network_borrow_sandbox_t self
bool orch_cni_network_method_sandbox_add_veth(SANDBOX, cni_string_t *node, cni_string_t *inside, uint32_t mtu,
                                              cni_string_t *err) { return true; }
bool orch_cni_network_method_sandbox_remove_veth(SANDBOX, cni_string_t *node, cni_string_t *err) { return true; }
bool orch_cni_network_method_sandbox_add_address(SANDBOX, orch_cni_network_side_t side, cni_string_t *cidr,
                                                 cni_string_t *err) { return true; }
bool orch_cni_network_method_sandbox_add_route(SANDBOX, orch_cni_network_side_t side,
                                               orch_cni_network_route_t *route, cni_string_t *err) { return true; }
bool orch_cni_network_method_sandbox_add_neighbour(SANDBOX, cni_string_t *ip, cni_string_t *err) { return true; }
bool orch_cni_network_method_sandbox_set_sysctl(SANDBOX, orch_cni_network_side_t side, cni_string_t *key,
                                                cni_string_t *value, cni_string_t *err) { return true; }

static const exports_orch_cni_driver_borrow_sandbox_t sandbox;
static exports_orch_cni_driver_attachment_t attachment;
static cni_string_t error;

static bool configure(const char *json) {
  cni_string_t settings;
  ORCH_SET(settings, json);
  return exports_orch_cni_driver_configure(&settings, &error);
}

static bool add(const char *id) {
  exports_orch_cni_driver_pod_t pod = {0};
  ORCH_SET(pod.sandbox_id, id);
  return exports_orch_cni_driver_add(sandbox, &pod, &attachment, &error);
}

static bool has(const char *ip) {
  return attachment.ips.ptr[0].len == strlen(ip) && !memcmp(attachment.ips.ptr[0].ptr, ip, strlen(ip));
}

int main(void) {
  assert(!configure("{\"podCIDRs\": []}") && !configure("{\"podCIDRs\": [\"nonsense\"]}"));
  assert(configure("{\"podCIDRs\": [\"10.244.3.0/30\"], \"mtu\": 1400}"));
  assert(add("b") && has("10.244.3.1"));
  assert(add("a") && has("10.244.3.2"));
  assert(add("a") && has("10.244.3.2"));
  assert(!add("c"));
  assert(add("a") && exports_orch_cni_driver_del(sandbox, &attachment, &error));
  assert(add("c") && has("10.244.3.2"));
  return 0;
}
