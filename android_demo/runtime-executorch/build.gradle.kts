plugins {
    alias(libs.plugins.android.library)
}

android {
    namespace = "org.mobilevitedge.executorch"
}

dependencies {
    implementation(libs.executorch)
}
