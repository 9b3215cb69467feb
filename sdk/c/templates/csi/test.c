#undef NDEBUG
#include <assert.h>
#include <string.h>

#include "csi.h"
#include "orch.h"

// The host's functions, played by the test: one volume, one place where it is shown.
#define DIRECTORY orch_csi_storage_borrow_directory_t
static bool made, shown;
bool orch_csi_storage_method_directory_make_directory(DIRECTORY self, csi_string_t *path,
                                                      orch_csi_storage_error_t *err) { return made = true; }
bool orch_csi_storage_method_directory_remove(DIRECTORY self, csi_string_t *path, orch_csi_storage_error_t *err) {
  made = false;
  return true;
}
bool orch_csi_storage_method_directory_bind_mount(DIRECTORY self, csi_string_t *path, DIRECTORY target,
                                                  bool read_only, orch_csi_storage_error_t *err) {
  return shown = made && read_only && path->len == 4 && !memcmp(path->ptr, "data", 4);
}
bool orch_csi_storage_method_directory_unmount(DIRECTORY self, orch_csi_storage_error_t *err) {
  shown = false;
  return true;
}

static const DIRECTORY directory;
static orch_csi_types_error_t error;

// Arguments are the callee's to free, so each is a copy.
static csi_string_t text(const char *content) {
  csi_string_t string;
  ORCH_SET(string, content);
  return string;
}

int main(void) {
  exports_orch_csi_controller_new_volume_t request = {.name = text("v"), .capacity.required_bytes = 7};
  exports_orch_csi_controller_volume_t volume;
  assert(exports_orch_csi_controller_create_volume(&request, directory, NULL, &volume, &error));
  assert(made && volume.capacity_bytes == 7 && volume.volume_id.len == 1 && *volume.volume_id.ptr == 'v');
  exports_orch_csi_node_volume_use_t use = {.volume_id = text("v")};
  exports_orch_csi_node_pod_t pod = {0};
  assert(exports_orch_csi_node_publish(&use, &pod, true, directory, NULL, directory, &error) && shown);
  csi_string_t id = text("v");
  assert(exports_orch_csi_node_unpublish(&id, directory, &error) && !shown);
  id = text("v");
  exports_orch_csi_controller_attributes_t secrets = {0};
  assert(exports_orch_csi_controller_delete_volume(&id, &secrets, directory, &error) && !made);
  id = text("v");
  assert(!exports_orch_csi_node_unstage(&id, directory, &error));
  assert(error.code == ORCH_CSI_TYPES_CODE_UNIMPLEMENTED);
  return 0;
}
