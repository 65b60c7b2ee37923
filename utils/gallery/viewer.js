// A person in 3D: `showPerson(element, glb)` fills an element with a view that can be turned; page.js calls it.
// Bundled with three.js into viewer.min.js by bundle.sh, since a page opened by double click may load no modules.
import {
  Box3,
  Color,
  DirectionalLight,
  HemisphereLight,
  MeshNormalMaterial,
  MeshStandardMaterial,
  PerspectiveCamera,
  Scene,
  Vector3,
  WebGLRenderer,
} from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";

const FIELD_OF_VIEW = 30; // [deg]
const SURFACES = {
  surface: () => new MeshStandardMaterial({ color: 0xb8bcc4, roughness: 0.85 }),
  normals: () => new MeshNormalMaterial(),
};

/** Distance from which a box of this size fills the view. */
function distanceTo(size, aspect) {
  const half = Math.max(size.y / 2, Math.hypot(size.x, size.z) / 2 / aspect);
  return (half / Math.tan((FIELD_OF_VIEW * Math.PI) / 360)) * 1.12 + size.z / 2;
}

/**
 * @param {HTMLElement} element filled with a canvas of its size
 * @param {ArrayBuffer} glb a binary glTF file
 * @param {string} look "photo", "surface" or "normals"
 * @returns {Promise<{look: function(string), close: function(): string}>} `close` frees everything and returns the last
 *   picture as a data: address
 */
export async function showPerson(element, glb, look) {
  const { scene: person } = await new GLTFLoader().parseAsync(glb, "");
  const renderer = new WebGLRenderer({ antialias: true, preserveDrawingBuffer: true });
  renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
  renderer.setSize(element.clientWidth, element.clientHeight);
  const aspect = element.clientWidth / element.clientHeight;
  const camera = new PerspectiveCamera(FIELD_OF_VIEW, aspect, 0.01, 100);
  const lamp = new DirectionalLight(0xffffff, 1.4);
  lamp.position.set(0.5, 0.8, 1);
  camera.add(lamp);
  const scene = new Scene();
  scene.background = new Color(0xe6e8eb);
  scene.add(new HemisphereLight(0xffffff, 0x8a8a8a, 1.9), camera, person);

  const box = new Box3().setFromObject(person);
  const middle = box.getCenter(new Vector3());
  const away = distanceTo(box.getSize(new Vector3()), aspect);
  camera.position.copy(middle).add(new Vector3(Math.sin(0.4), 0.08, Math.cos(0.4)).multiplyScalar(away));
  const controls = new OrbitControls(camera, renderer.domElement);
  controls.target.copy(middle);
  controls.update();

  const parts = [];
  person.traverse((part) => part.isMesh && parts.push([part, part.material]));
  const draw = () => renderer.render(scene, camera);
  const view = {
    look(name) {
      for (const [part, photo] of parts) part.material = SURFACES[name] ? SURFACES[name]() : photo;
      draw();
    },
    close() {
      const picture = renderer.domElement.toDataURL("image/jpeg", 0.85);
      controls.dispose();
      for (const [part, photo] of parts) {
        part.geometry.dispose();
        photo.map?.dispose();
        photo.dispose();
      }
      renderer.dispose();
      renderer.forceContextLoss();
      renderer.domElement.remove();
      return picture;
    },
  };
  controls.addEventListener("change", draw);
  element.append(renderer.domElement);
  view.look(look);
  return view;
}
