"""Bending waves in a damped table top, from a tap to the microphones.

Time runs as exp(+iωt), so a wave that has travelled r carries exp(-ikr) and Im k < 0 is damping.

Sources:
    Mindlin, R. D. (1951), Influence of rotatory inertia and shear on flexural motions of isotropic,
        elastic plates, J. Appl. Mech. 18, 31-38: the dispersion relation.
    Cremer, L., Heckl, M., Petersson, B. (2005), Structure-Borne Sound, 3rd ed., Springer, ch. 3, 5:
        the infinite plate's response to a point force, and the loss factor as a complex modulus.
    Allen, J. B., Berkley, D. A. (1979), J. Acoust. Soc. Am. 65, 943-950: image sources in a
        rectangle. Cuenca, J., Gautier, F., Simon, L. (2009), J. Sound Vib. 322, 1048-1069: the same
        for bending waves in plates.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import j0, k0, y0

REFLECTIONS = 2
DISTANCE_STEP_M = 1e-3
FAR_FIELD = 15.0
FRONT_BAND_HZ = (200.0, 20_000.0)


@dataclass(frozen=True)
class Material:
    """A table top."""

    youngs_modulus_pa: float
    density_kg_m3: float
    poisson: float
    thickness_m: float
    loss_factor: float

    @property
    def shear_modulus_pa(self) -> float:
        """G = E / (2 (1 + ν))."""
        return self.youngs_modulus_pa / (2 * (1 + self.poisson))

    @property
    def bending_stiffness_nm(self) -> float:
        """D = E h³ / (12 (1 - ν²)), in N m."""
        return self.youngs_modulus_pa * self.thickness_m**3 / (12 * (1 - self.poisson**2))

    @property
    def shear_correction(self) -> float:
        """Mindlin's κ², chosen so that very short waves travel at the Rayleigh speed.

        That is (0.87 + 1.12 ν) / (1 + ν) times the shear speed (Cremer et al., ch. 3).
        """
        return ((0.87 + 1.12 * self.poisson) / (1 + self.poisson)) ** 2


MATERIALS = {
    "mdf": Material(3.5e9, 750.0, 0.30, 0.018, 0.030),
    "plywood": Material(8.0e9, 620.0, 0.30, 0.018, 0.020),
    "glass": Material(70.0e9, 2500.0, 0.22, 0.008, 0.010),
}


def branches(
    material: Material, frequency_hz: np.ndarray, damped: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Squared wavenumbers of both Mindlin branches in 1/m²: [n] above 0 Hz → two of [n] complex.

    (k² - ω²/c_s²)(k² - ω²/c_p²) = ρhω²/D with c_s² = κ²G/ρ and c_p² = 12D/(ρh³) is a quadratic in
    k² (Mindlin 1951); damping makes E complex, E(1 + iη) (Cremer et al., ch. 3). The first branch
    travels at every frequency; the second is a near field below the plate's first thickness
    resonance, which for all materials here is beyond what the microphones hear.
    """
    omega2 = (2 * np.pi * np.asarray(frequency_hz, dtype=float)) ** 2
    elastic = 1 + 1j * material.loss_factor * damped
    rho, h = material.density_kg_m3, material.thickness_m
    stiffness = material.bending_stiffness_nm * elastic
    shear = omega2 * rho / (material.shear_correction * material.shear_modulus_pa * elastic)
    rotation = omega2 * rho * h**3 / (12 * stiffness)
    bending = rho * h * omega2 / stiffness
    middle = (shear + rotation) / 2
    apart = np.sqrt(((shear - rotation) / 2) ** 2 + bending)
    return middle + apart, middle - apart


def wavenumber(material: Material, frequency_hz: np.ndarray, damped: bool = True) -> np.ndarray:
    """Wavenumber of the travelling branch in 1/m: [n] above 0 Hz → [n] complex (Im k ≤ 0)."""
    return np.sqrt(branches(material, frequency_hz, damped)[0])


def drive(material: Material, frequency_hz: np.ndarray) -> np.ndarray:
    """How strongly a force drives the travelling branch, 1 in a thin plate: [n] → [n] complex.

    A force q drives Mindlin's plate through (1 + (k² - ω²/c_p²) D/(κ²Gh)) q; by residues at k1² the
    travelling part of the velocity is ω (…) / (4D (k1² - k2²)) H0²(k1 r). It is given relative to
    the thin plate's 1/(8 √(Dρh)). Without it high frequencies would leave before the tap.
    """
    frequency_hz = np.asarray(frequency_hz, dtype=float)
    omega = 2 * np.pi * frequency_hz
    elastic = 1 + 1j * material.loss_factor
    travelling, near = branches(material, frequency_hz)
    rho, h = material.density_kg_m3, material.thickness_m
    stiffness = material.bending_stiffness_nm * elastic
    shear = material.shear_correction * material.shear_modulus_pa * elastic * h
    rotation = omega**2 * rho * h**3 / (12 * stiffness)
    source = 1 + (travelling - rotation) * stiffness / shear
    return 2 * omega * np.sqrt(rho * h / stiffness) * source / (travelling - near)


def group_speed(material: Material, frequency_hz: np.ndarray) -> np.ndarray:
    """dω/dk of the undamped plate in m/s: [n] → [n]."""
    frequency_hz = np.asarray(frequency_hz, dtype=float)
    step = frequency_hz * 1e-4
    above = wavenumber(material, frequency_hz + step, damped=False).real
    below = wavenumber(material, frequency_hz - step, damped=False).real
    return 4 * np.pi * step / (above - below)


def front_speed(material: Material) -> float:
    """Speed in m/s of what arrives first: the largest group speed that a tap excites."""
    return float(group_speed(material, np.geomspace(*FRONT_BAND_HZ, 400)).max())


def point_response(k: np.ndarray, distance_m: np.ndarray) -> np.ndarray:
    """Velocity at a distance, relative to the driving point's: [k], [d] → [d, k] complex64.

    The infinite plate answers H0²(kr) - H0²(-ikr) = J0 - iY0 - 2i/π K0 (Cremer et al., ch. 5). Far
    from the tap this is √(2/(πkr)) exp(-i(kr - π/4)) (1 + i/(8kr)), at a fraction of the cost.
    """
    kr = np.outer(distance_m, k.real).astype(np.float32)
    response = np.empty(kr.shape, dtype=np.complex64)
    near = kr < FAR_FIELD
    close = np.maximum(kr[near], 1e-4).astype(float)
    response[near] = j0(close) - 1j * (y0(close) + 2 / np.pi * k0(close))
    far = kr[~near]
    response[~near] = np.sqrt(2 / np.pi / far) * np.exp(-1j * (far - np.float32(np.pi / 4)))
    response[~near] *= 1 + 0.125j / far
    response *= np.exp(np.outer(distance_m, k.imag).astype(np.float32))
    return response


def image_sources(
    position_m: np.ndarray, table_m: tuple[float, float], reflection: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mirror a point in the edges of a table up to second order.

    Args:
        position_m: [2], from the table's corner.
        table_m: width and depth.
        reflection: amplitude left after one reflection.

    Returns:
        Positions [13, 2] in m, the point itself among them, and amplitudes [13].
    """
    positions, amplitudes = [], []
    for i in range(-REFLECTIONS, REFLECTIONS + 1):
        for j in range(-REFLECTIONS, REFLECTIONS + 1):
            order = abs(i) + abs(j)
            if order > REFLECTIONS:
                continue
            mirrored = [
                n * size + (size - at if n % 2 else at)
                for n, size, at in zip((i, j), table_m, position_m, strict=True)
            ]
            positions.append(mirrored)
            amplitudes.append(reflection**order)
    return np.array(positions), np.array(amplitudes)


class Plate:
    """A table with microphones on it; answers with spectra for taps at any place.

    The point response is tabulated every millimetre of distance and interpolated linearly between:
    at 20 kHz that is 0.1 rad of phase a step, an error below -55 dB.
    """

    def __init__(
        self,
        material: Material,
        speed_factor: float,
        table_m: tuple[float, float],
        microphones_m: np.ndarray,
        reflection: float,
        frequency_hz: np.ndarray,
    ) -> None:
        """Tabulate the response.

        Args:
            material: what the table is made of.
            speed_factor: wave speed relative to the material's.
            table_m: width and depth.
            microphones_m: [microphones, 2], from the table's corner.
            reflection: amplitude that comes back from an edge.
            frequency_hz: [f], all above 0.
        """
        self._table_m = table_m
        self._microphones_m = microphones_m
        self._reflection = reflection
        self.front_speed_m_s = front_speed(material) * speed_factor
        k = wavenumber(material, frequency_hz) / speed_factor
        rows = int(self._farthest_image() / DISTANCE_STEP_M) + 3
        distances = np.arange(rows) * DISTANCE_STEP_M
        self._response = point_response(k, distances)
        self._response *= drive(material, frequency_hz).astype(np.complex64)

    def _farthest_image(self) -> float:
        corners = [(x, y) for x in (0.0, self._table_m[0]) for y in (0.0, self._table_m[1])]
        return max(float(self._image_distances(np.array(c))[0].max()) for c in corners)

    def _image_distances(self, position_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images, amplitudes = image_sources(position_m, self._table_m, self._reflection)
        offsets = self._microphones_m[:, None, :] - images[None, :, :]
        return np.linalg.norm(offsets, axis=2), amplitudes

    def direct(self, distance_m: float) -> np.ndarray:
        """Velocity at a distance for a unit force, without edges → [f] complex64."""
        return self._response[round(distance_m / DISTANCE_STEP_M)]

    def distances_m(self, position_m: np.ndarray) -> np.ndarray:
        """Direct distance to each microphone: [2] → [microphones]."""
        return np.linalg.norm(self._microphones_m - position_m, axis=1)

    def spectra(self, position_m: np.ndarray) -> np.ndarray:
        """Velocity at each of m microphones for a unit force at a place: [2] → [m, f] complex64."""
        distances, amplitudes = self._image_distances(position_m)
        at = distances / DISTANCE_STEP_M
        row = at.astype(int)
        part = at - row
        rows = np.concatenate([row, row + 1], axis=1)
        weights = np.concatenate([(1 - part) * amplitudes, part * amplitudes], axis=1)
        summed = [
            np.einsum("i,if->f", w.astype(np.float32), self._response[r])
            for w, r in zip(weights, rows, strict=True)
        ]
        return np.stack(summed)
