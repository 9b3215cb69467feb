export class Driver {
  configure(_settings) {}
  restore(_attachments) {}
  add(_sandbox, _pod) {
    throw new Error("add connects a sandbox");
  }
  delete(_sandbox, _attachment) {}
}
