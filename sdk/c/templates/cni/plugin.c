// Gives each pod the lowest free address of the node's range, routed to a veth of its own.
#include "cni.h"
#include "orch.h"

#include <stdio.h>
#include <string.h>

// Answered for by the node's end of every veth.
#define GATEWAY "169.254.1.1"

typedef struct {
  char *sandbox; // NULL: free
  uint32_t ip;
} attached;

static uint32_t first, last, mtu;
static attached *pods;
static size_t count;

static bool fail(cni_string_t *err, const char *message) {
  ORCH_SET(*err, message);
  return false;
}

static cni_string_t borrowed(char *text) {
  cni_string_t string;
  cni_string_set(&string, text);
  return string;
}

static char *owned(cni_string_t string) { return orch_format("%.*s", (int)string.len, (char *)string.ptr); }

static bool parse_ip(const char *text, uint32_t *ip) {
  unsigned a, b, c, d;
  if (sscanf(text, "%3u.%3u.%3u.%3u", &a, &b, &c, &d) != 4 || (a | b | c | d) > 255) return false;
  *ip = a << 24 | b << 16 | c << 8 | d;
  return true;
}

static char *shown(uint32_t ip) {
  return orch_format("%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
}

static char *interface_of(uint32_t ip) { return orch_format("veth%08x", ip); }

static attached *find(const char *sandbox, uint32_t ip) {
  for (size_t i = 0; i < count; i++)
    if (pods[i].sandbox && (sandbox ? !strcmp(pods[i].sandbox, sandbox) : pods[i].ip == ip)) return &pods[i];
  return NULL;
}

static void remember(char *sandbox, uint32_t ip) {
  size_t i = 0;
  while (i < count && pods[i].sandbox) i++;
  if (i == count) {
    pods = realloc(pods, ++count * sizeof *pods);
    if (!pods) abort();
  }
  pods[i] = (attached){sandbox, ip};
}

bool exports_orch_cni_driver_configure(cni_string_t *settings, cni_string_t *err) {
  size_t position = 0;
  char *cidr = orch_string(orch_next(orch_at(ORCH_TEXT(*settings), "podCIDRs", NULL), &position));
  mtu = (uint32_t)orch_integer(orch_at(ORCH_TEXT(*settings), "mtu", NULL), 0);
  cni_string_free(settings);
  if (!cidr) return fail(err, "podCIDRs: the node has none yet");
  uint32_t ip;
  const char *slash = strchr(cidr, '/');
  int length = slash ? atoi(slash + 1) : 0;
  bool ok = parse_ip(cidr, &ip) && length >= 1 && length <= 30;
  free(cidr);
  if (!ok) return fail(err, "podCIDRs: the first is no IPv4 range");
  uint32_t size = (uint32_t)1 << (32 - length);
  first = (ip & ~(size - 1)) + 1;
  last = first + size - 3;
  return true;
}

bool exports_orch_cni_driver_restore(exports_orch_cni_driver_list_attachment_t *attachments, cni_string_t *err) {
  for (size_t i = 0; i < attachments->len; i++) {
    exports_orch_cni_driver_attachment_t *known = &attachments->ptr[i];
    char *ip = known->ips.len ? owned(known->ips.ptr[0]) : NULL;
    uint32_t address;
    if (ip && parse_ip(ip, &address)) remember(owned(known->sandbox_id), address);
    free(ip);
  }
  exports_orch_cni_driver_list_attachment_free(attachments);
  return true;
}

static bool route(orch_cni_network_borrow_sandbox_t sandbox, orch_cni_network_side_t side, char *destination,
                  char *gateway, cni_string_t *err) {
  orch_cni_network_route_t route = {.destination = borrowed(destination), .link_scope = !gateway};
  route.gateway.is_some = gateway != NULL;
  if (gateway) route.gateway.val = borrowed(gateway);
  return orch_cni_network_method_sandbox_add_route(sandbox, side, &route, err);
}

static bool connect(orch_cni_network_borrow_sandbox_t sandbox, char *interface, char *host, cni_string_t *err) {
  cni_string_t node = borrowed(interface), inside = borrowed("eth0"), gateway = borrowed(GATEWAY);
  cni_string_t gateway_host = borrowed(GATEWAY "/32"), pod_host = borrowed(host);
  cni_string_t key = borrowed("ipv4/proxy_arp"), on = borrowed("1");
  return orch_cni_network_method_sandbox_add_veth(sandbox, &node, &inside, mtu, err) &&
         orch_cni_network_method_sandbox_set_sysctl(sandbox, ORCH_CNI_NETWORK_SIDE_NODE, &key, &on, err) &&
         orch_cni_network_method_sandbox_add_address(sandbox, ORCH_CNI_NETWORK_SIDE_NODE, &gateway_host, err) &&
         orch_cni_network_method_sandbox_add_address(sandbox, ORCH_CNI_NETWORK_SIDE_SANDBOX, &pod_host, err) &&
         orch_cni_network_method_sandbox_add_neighbour(sandbox, &gateway, err) &&
         route(sandbox, ORCH_CNI_NETWORK_SIDE_SANDBOX, GATEWAY "/32", NULL, err) &&
         route(sandbox, ORCH_CNI_NETWORK_SIDE_SANDBOX, "0.0.0.0/0", GATEWAY, err) &&
         route(sandbox, ORCH_CNI_NETWORK_SIDE_NODE, host, NULL, err);
}

static void answer(const attached *pod, exports_orch_cni_driver_attachment_t *ret) {
  char *ip = shown(pod->ip), *interface = interface_of(pod->ip);
  ORCH_SET(ret->sandbox_id, pod->sandbox);
  ORCH_STRINGS(ret->ips, ip);
  ORCH_SET(ret->node_interface, interface);
  free(ip);
  free(interface);
}

bool exports_orch_cni_driver_add(exports_orch_cni_driver_borrow_sandbox_t sandbox,
                                 exports_orch_cni_driver_pod_t *pod, exports_orch_cni_driver_attachment_t *ret,
                                 cni_string_t *err) {
  char *id = owned(pod->sandbox_id);
  exports_orch_cni_driver_pod_free(pod);
  attached *known = find(id, 0);
  bool ok = true;
  if (!known) {
    uint32_t ip = first;
    while (ip <= last && find(NULL, ip)) ip++;
    if (ip > last) {
      free(id);
      return fail(err, "no address is left in the node's range");
    }
    char *text = shown(ip), *host = orch_format("%s/32", text), *interface = interface_of(ip);
    ok = connect(sandbox, interface, host, err);
    free(text);
    free(host);
    free(interface);
    if (ok) remember(strdup(id), ip);
    known = ok ? find(id, 0) : NULL;
  }
  if (known) answer(known, ret);
  free(id);
  return ok;
}

bool exports_orch_cni_driver_del(exports_orch_cni_driver_borrow_sandbox_t sandbox,
                                 exports_orch_cni_driver_attachment_t *attachment, cni_string_t *err) {
  bool ok = orch_cni_network_method_sandbox_remove_veth(sandbox, &attachment->node_interface, err);
  char *id = owned(attachment->sandbox_id);
  attached *known = find(id, 0);
  free(id);
  if (ok && known) {
    free(known->sandbox);
    known->sandbox = NULL;
  }
  exports_orch_cni_driver_attachment_free(attachment);
  return ok;
}
