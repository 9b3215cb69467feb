;; Stands in for WASI: a C or Go library asks for a clock, for randomness and for files, which no
;; plugin gets. Time goes on by a microsecond per question and randomness is a fixed sequence, for
;; what a runtime wants at its start; everything else fails or ends. What is not asked for is dropped.
(module
  (import "env" "memory" (memory 0))
  (global $now (mut i64) (i64.const 1000000))
  (global $seed (mut i64) (i64.const 0x5851F42D4C957F2D))

  ;; errno: 0 is success, 8 is EBADF, 52 is ENOSYS
  (func $write-zero (param $at i32)
    (i32.store (local.get $at) (i32.const 0)))

  (func (export "clock_time_get") (param $id i32) (param $precision i64) (param $at i32) (result i32)
    (global.set $now (i64.add (global.get $now) (i64.const 1000)))
    (i64.store (local.get $at) (global.get $now))
    (i32.const 0))
  (func (export "clock_res_get") (param $id i32) (param $at i32) (result i32)
    (i64.store (local.get $at) (i64.const 1000))
    (i32.const 0))

  ;; a linear congruential generator, its high byte at a time
  (func (export "random_get") (param $at i32) (param $left i32) (result i32)
    (loop $next
      (if (local.get $left)
        (then
          (global.set $seed
            (i64.add (i64.mul (global.get $seed) (i64.const 6364136223846793005)) (i64.const 1442695040888963407)))
          (i64.store8 (local.get $at) (i64.shr_u (global.get $seed) (i64.const 56)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br $next))))
    (i32.const 0))

  ;; no arguments, no environment
  (func (export "args_sizes_get") (param $count i32) (param $size i32) (result i32)
    (call $write-zero (local.get $count)) (call $write-zero (local.get $size)) (i32.const 0))
  (func (export "args_get") (param i32 i32) (result i32) (i32.const 0))
  (func (export "environ_sizes_get") (param $count i32) (param $size i32) (result i32)
    (call $write-zero (local.get $count)) (call $write-zero (local.get $size)) (i32.const 0))
  (func (export "environ_get") (param i32 i32) (result i32) (i32.const 0))

  ;; no files
  (func (export "fd_write") (param i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_read") (param i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_close") (param i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_flags") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (i32.const 8))

  ;; nothing to wait for: as if every timer had run out
  (func (export "poll_oneoff") (param i32 i32 i32) (param $events i32) (result i32)
    (call $write-zero (local.get $events)) (i32.const 0))
  (func (export "sched_yield") (result i32) (i32.const 0))
  (func (export "proc_exit") (param i32) unreachable)
)
